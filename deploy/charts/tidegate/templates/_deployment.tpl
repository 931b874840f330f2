{{/*
A Deployment of one of the three programs. KEDA's chart has several names for each:
  root       the chart's scope
  name       of the Deployment
  app        the value of label app, by which Services find it
  part       the program's own values
  keys       where the other values keep what is its: image, account, pod, security, volumes, spread, strategy
  args       the list of arguments, as YAML
  container  ports, probes and env of the container, as YAML
  mayLack    whether the Secret of the certificates may be missing when the pod starts
*/}}
{{- define "tidegate.deployment" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $part := .part -}}
{{- $keys := .keys -}}
{{- $account := get $values.serviceAccount $keys.account -}}
{{- $volumes := get $values.volumes $keys.volumes -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "tidegate.metadata" (dict "root" $root "name" .name "namespace" $root.Release.Namespace "labels" (dict "app" .app)) | nindent 2 }}
spec:
  replicas: {{ ternary 1 $part.replicaCount $values.shadow.enabled }}
  revisionHistoryLimit: {{ $part.revisionHistoryLimit }}
  {{- with get $values.upgradeStrategy $keys.strategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      app: {{ .app }}
  template:
    metadata:
      {{- with merge dict (get $values.podAnnotations $keys.pod) $values.additionalAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      labels:
        app: {{ .app }}
        app.kubernetes.io/name: {{ .app }}
        {{- include "tidegate.labels" $root | nindent 8 }}
        {{- with get $values.podLabels $keys.pod }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if and (eq $keys.account "operator") $values.podIdentity.azureWorkload.enabled }}
        azure.workload.identity/use: "true"
        {{- end }}
    spec:
      serviceAccountName: {{ include "tidegate.account" (dict "root" $root "account" $keys.account) }}
      automountServiceAccountToken: {{ $account.automountServiceAccountToken }}
      enableServiceLinks: {{ $values.enableServiceLinks }}
      terminationGracePeriodSeconds: 10
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with get $values.podSecurityContext $keys.security }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $part.extraInitContainers }}
      initContainers:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .app }}
          image: {{ include "tidegate.image" (dict "root" $root "image" $keys.image) | quote }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args:
            {{- .args | nindent 12 }}
            {{- range $name, $value := get $values.extraArgs $keys.pod }}
            - --{{ $name }}={{ $value }}
            {{- end }}
          {{- .container | nindent 10 }}
          {{- with get $values.securityContext $keys.security }}
          securityContext:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with get $values.resources $keys.security }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            - name: certificates
              mountPath: {{ $values.certificates.mountPath }}
              readOnly: true
            - name: scratch
              mountPath: /scratch
            {{- if and (eq $keys.account "operator") $values.dashboard.enabled }}
            - name: dashboard
              mountPath: /dashboard
              readOnly: true
            {{- end }}
            {{- if $values.grpcTLSCertsSecret }}
            - name: grpc-certs
              mountPath: /grpccerts
              readOnly: true
            {{- end }}
            {{- with $volumes.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
        {{- with $part.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
        - name: certificates
          secret:
            secretName: {{ $values.certificates.secretName }}
            # Not the authority's key: only the leader signs, and reads it from the API.
            items:
              - {key: ca.crt, path: ca.crt}
              - {key: tls.crt, path: tls.crt}
              - {key: tls.key, path: tls.key}
            {{- if .mayLack }}
            optional: true
            {{- end }}
        - name: scratch
          emptyDir: {}
        {{- if and (eq $keys.account "operator") $values.dashboard.enabled }}
        - name: dashboard
          secret:
            secretName: {{ include "tidegate.dashboardSecret" $root }}
            items:
              - {key: token, path: token}
        {{- end }}
        {{- with $values.grpcTLSCertsSecret }}
        - name: grpc-certs
          secret:
            secretName: {{ . }}
        {{- end }}
        {{- with $volumes.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      nodeSelector:
        kubernetes.io/os: linux
        {{- with $part.nodeSelector | default $values.nodeSelector }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if and (eq $keys.account "operator") $values.podIdentity.gcp.enabled }}
        iam.gke.io/gke-metadata-server-enabled: "true"
        {{- end }}
      {{- with $part.affinity | default $values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- with get $values.topologySpreadConstraints $keys.spread }}
        {{- toYaml . | nindent 8 }}
        {{- else }}
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app: {{ .app }}
        {{- end }}
      {{- with $part.tolerations | default $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      dnsPolicy: {{ $part.dnsPolicy }}
      {{- with $part.dnsConfig | default $values.global.dnsConfig }}
      dnsConfig:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if $part.useHostNetwork }}
      hostNetwork: true
      {{- end }}
      {{- if not (kindIs "invalid" $part.hostUsers) }}
      hostUsers: {{ $part.hostUsers }}
      {{- end }}
      {{- with $values.hostAliases }}
      hostAliases:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/* The two probes: dict "part" VALUES "port" PORT "scheme" HTTP|HTTPS */}}
{{- define "tidegate.probes" -}}
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ .port }}
    scheme: {{ .scheme }}
  {{- toYaml .part.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ .port }}
    scheme: {{ .scheme }}
  {{- toYaml .part.readinessProbe | nindent 2 }}
{{- end -}}

{{/* Variables of all three. */}}
{{- define "tidegate.env" -}}
- name: TMPDIR
  value: /scratch
- name: KEDA_HTTP_MIN_TLS_VERSION
  value: {{ .Values.http.minTlsVersion | quote }}
{{- with .Values.http.tlsCipherList }}
- name: KEDA_HTTP_TLS_CIPHER_LIST
  value: {{ . | quote }}
{{- end }}
- name: KEDA_SERVICE_MIN_TLS_VERSION
  value: {{ .Values.service.minTlsVersion | quote }}
{{- with .Values.service.tlsCipherList }}
- name: KEDA_SERVICE_TLS_CIPHER_LIST
  value: {{ . | quote }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}
