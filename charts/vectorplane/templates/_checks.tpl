{{/* What the two charts must agree on and cannot see of each other. */}}
{{- define "vectorplane.checks" -}}
{{- $operator := index .Values "vectorplane-operator" -}}
{{- $service := index .Values "vectorplane-service" -}}
{{- if and $service.fullnameOverride (ne $service.fullnameOverride (default "" $operator.service.name)) -}}
{{- fail "vectorplane-service.fullnameOverride: say the same in vectorplane-operator.service.name" -}}
{{- end -}}
{{- if ne (int $service.service.port) (int $operator.service.port) -}}
{{- fail "vectorplane-service.service.port: say the same in vectorplane-operator.service.port" -}}
{{- end -}}
{{- end -}}
