{{- define "tidegate.scraped" -}}
{{- if .enabled -}}
{{ toJson (dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString .port) "prometheus.io/path" "/metrics") }}
{{- else -}}
{}
{{- end -}}
{{- end -}}
