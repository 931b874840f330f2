{{/*
A Role or ClusterRole with its binding to one ServiceAccount:
  root  the chart's scope     name  of both     namespace  "" for the whole cluster
  rules YAML; without them `role` names a ClusterRole that is there     account  the ServiceAccount's name
  accountNamespace  where it is, our own by default
*/}}
{{- define "tidegate.granted" -}}
{{- $kind := ternary "Role" "ClusterRole" (not (empty .namespace)) -}}
{{- if .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "tidegate.metadata" (dict "root" .root "name" .name "namespace" .namespace) | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- include "tidegate.metadata" (dict "root" .root "name" .name "namespace" .namespace) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .roleKind | default (ternary $kind "ClusterRole" (not (empty .rules))) }}
  name: {{ .role | default .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .accountNamespace | default .root.Release.Namespace }}
{{- end -}}
