{{- define "tidegate.metricsServer.args" -}}
- metrics-apiserver
- --secure-port={{ .Values.service.portHttpsTarget }}
- --port={{ .Values.prometheus.metricServer.port }}
- --metrics-service-address={{ .Values.operator.name }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:9666
- --cert-dir={{ .Values.certificates.mountPath }}
- --zap-log-level={{ .Values.logging.metricServer.zapLevel }}
- --zap-encoder={{ .Values.logging.metricServer.zapEncoder }}
{{- end -}}

{{- define "tidegate.metricsServer.container" -}}
ports:
  - name: https
    containerPort: {{ .Values.service.portHttpsTarget }}
  - name: {{ .Values.prometheus.metricServer.portName }}
    containerPort: {{ .Values.prometheus.metricServer.port }}
{{ include "tidegate.probes" (dict "part" .Values.metricsServer "port" .Values.service.portHttpsTarget "scheme" "HTTPS") }}
env:
  {{- include "tidegate.env" . | nindent 2 }}
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
{{- end -}}
