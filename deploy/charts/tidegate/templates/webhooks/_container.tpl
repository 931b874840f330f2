{{- define "tidegate.webhooks.args" -}}
- admission-webhooks
- --port={{ .Values.webhooks.port }}
- --health-probe-bind-address=:{{ .Values.webhooks.healthProbePort }}
- --metrics-bind-address=:{{ .Values.prometheus.webhooks.port }}
- --cert-dir={{ .Values.certificates.mountPath }}
- --zap-log-level={{ .Values.logging.webhooks.level }}
- --zap-encoder={{ .Values.logging.webhooks.format }}
{{- with .Values.allowTriggers }}
- --allow-triggers={{ join "," . }}
{{- end }}
{{- end -}}

{{- define "tidegate.webhooks.container" -}}
ports:
  - name: https
    containerPort: {{ .Values.webhooks.port }}
  - name: probes
    containerPort: {{ .Values.webhooks.healthProbePort }}
  {{- if .Values.prometheus.webhooks.enabled }}
  - name: metrics
    containerPort: {{ .Values.prometheus.webhooks.port }}
  {{- end }}
{{ include "tidegate.probes" (dict "part" .Values.webhooks "port" .Values.webhooks.healthProbePort "scheme" "HTTP") }}
env:
  {{- include "tidegate.env" . | nindent 2 }}
{{- end -}}
