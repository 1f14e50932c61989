{{/* The name of all objects: `<release>-service`, as the operator's chart takes it. */}}
{{- define "vectorplane-service.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if hasSuffix "-service" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-service" (trunc 54 .Release.Name | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "vectorplane-service.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vectorplane-service.labels" -}}
{{ include "vectorplane-service.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: vectorplane
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "vectorplane-service.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vectorplane-service.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "vectorplane-service.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* A block of values that the charts of the umbrella share: what `global` says goes before the chart's own. Called
     with a list of the context and the block's name; gives YAML. */}}
{{- define "vectorplane-service.shared" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $global := index ($root.Values.global | default dict) $name | default dict -}}
{{- mergeOverwrite (deepCopy (index $root.Values $name)) (deepCopy $global) | toYaml -}}
{{- end -}}

{{- define "vectorplane-service.pullSecrets" -}}
{{- with (.Values.global | default dict).imagePullSecrets | default .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* One variable from a Secret: a list of its name and `{name, key}`; nothing where no Secret is named. */}}
{{- define "vectorplane-service.secretEnv" -}}
{{- $ref := index . 1 -}}
{{- if $ref.name }}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ $ref.name | quote }}
      key: {{ $ref.key | quote }}
{{- end }}
{{- end -}}

{{/* Every setting that is no secret, by its variable. What `config` says goes before what the chart made. */}}
{{- define "vectorplane-service.settings" -}}
{{- $qdrant := include "vectorplane-service.shared" (list . "qdrant") | fromYaml -}}
{{- $redis := include "vectorplane-service.shared" (list . "redis") | fromYaml -}}
{{- $access := include "vectorplane-service.shared" (list . "access") | fromYaml -}}
{{- $env := dict
  "PORT" "10200"
  "QDRANT_URL" $qdrant.url
  "WEB_CONCURRENCY" (int .Values.workers)
  "GRACEFUL_TIMEOUT_SECONDS" (int .Values.shutdown.graceSeconds)
  "PROMETHEUS_MULTIPROC_DIR" "/run/vectorplane/metrics"
  "HOME" "/tmp"
-}}
{{- if $qdrant.caSecret.name -}}
{{- $_ := set $env "QDRANT_TLS_CA" "/etc/vectorplane/qdrant/ca.crt" -}}
{{- end -}}
{{- if $access.enabled -}}
{{- $_ := set $env "ACCESS_PUBLIC_KEYS" "/etc/vectorplane/access/keys.json" -}}
{{- $_ := set $env "ACCESS_DENIED_IDS" "/etc/vectorplane/access/denied" -}}
{{- end -}}
{{- range $name, $variables := dict "rateLimits" (dict "RATE_LIMIT_ENABLED" "true" "RATE_LIMIT_STORAGE" "redis") "searchCache" (dict "SEARCH_CACHE" "redis") -}}
{{- if (index $.Values $name).enabled -}}
{{- if not $redis.urlSecret.name -}}
{{- fail (printf "%s.enabled: needs redis.urlSecret.name, for all replicas share it" $name) -}}
{{- end -}}
{{- $env = mergeOverwrite $env $variables -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite $env .Values.config }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Every setting that is a secret: a reference each. */}}
{{- define "vectorplane-service.secrets" -}}
{{- $qdrant := include "vectorplane-service.shared" (list . "qdrant") | fromYaml -}}
{{- $redis := include "vectorplane-service.shared" (list . "redis") | fromYaml -}}
{{- $postgresql := include "vectorplane-service.shared" (list . "postgresql") | fromYaml -}}
{{- include "vectorplane-service.secretEnv" (list "QDRANT_API_KEY" $qdrant.apiKeySecret) -}}
{{- include "vectorplane-service.secretEnv" (list "REDIS_URL" $redis.urlSecret) -}}
{{- include "vectorplane-service.secretEnv" (list "DATABASE_URL" $postgresql.urlSecret) -}}
{{- include "vectorplane-service.secretEnv" (list "API_KEYS" .Values.apiKeysSecret) -}}
{{- end -}}
