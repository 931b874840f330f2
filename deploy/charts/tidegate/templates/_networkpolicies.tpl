{{- define "tidegate.narrowEgress" -}}
# Names, and the API server, whose address is the cluster's.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
{{- end -}}
