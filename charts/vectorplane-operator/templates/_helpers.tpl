{{/* The name of all objects: `<release>-operator`. */}}
{{- define "vectorplane-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if hasSuffix "-operator" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-operator" (trunc 54 .Release.Name | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "vectorplane-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vectorplane-operator.labels" -}}
{{ include "vectorplane-operator.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: vectorplane
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "vectorplane-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vectorplane-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "vectorplane-operator.fullname" .) }}
{{- else -}}
{{ required "serviceAccount.name: needed where none is made" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{/* A block of values that the charts of the umbrella share: what `global` says goes before the chart's own. Called
     with a list of the context and the block's name; gives YAML. */}}
{{- define "vectorplane-operator.shared" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $global := index ($root.Values.global | default dict) $name | default dict -}}
{{- mergeOverwrite (deepCopy (index $root.Values $name)) (deepCopy $global) | toYaml -}}
{{- end -}}

{{- define "vectorplane-operator.pullSecrets" -}}
{{- with (.Values.global | default dict).imagePullSecrets | default .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* How Kong is programmed, with `auto` decided. */}}
{{- define "vectorplane-operator.gatewayMode" -}}
{{- $mode := (include "vectorplane-operator.shared" (list . "kong") | fromYaml).mode -}}
{{- if ne $mode "auto" -}}
{{- $mode -}}
{{- else if and (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1/HTTPRoute") (.Capabilities.APIVersions.Has "configuration.konghq.com/v1/KongPlugin") -}}
gateway-api
{{- else -}}
none
{{- end -}}
{{- end -}}

{{/* The Service of the chart vectorplane-service in the same release. */}}
{{- define "vectorplane-operator.serviceName" -}}
{{- if .Values.service.name -}}
{{- .Values.service.name -}}
{{- else if hasSuffix "-service" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-service" (trunc 54 .Release.Name | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "vectorplane-operator.serviceUrl" -}}
{{- printf "http://%s.%s.svc:%v" (include "vectorplane-operator.serviceName" .) (.Values.service.namespace | default .Release.Namespace) (int .Values.service.port) -}}
{{- end -}}

{{/* One variable from a Secret: a list of its name and `{name, key}`; nothing where no Secret is named. */}}
{{- define "vectorplane-operator.secretEnv" -}}
{{- $ref := index . 1 -}}
{{- if $ref.name }}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ $ref.name | quote }}
      key: {{ $ref.key | quote }}
{{- end }}
{{- end -}}

{{/* A projected volume of a CA and a client certificate: a list of its name and the block that names the Secrets. */}}
{{- define "vectorplane-operator.tlsVolume" -}}
{{- $block := index . 1 -}}
{{- if or $block.caSecret.name $block.clientCertificateSecret.name }}
- name: {{ index . 0 }}
  projected:
    defaultMode: 0440
    sources:
      {{- with $block.caSecret }}
      {{- if .name }}
      - secret:
          name: {{ .name | quote }}
          items: [{key: {{ .key | quote }}, path: ca.crt}]
      {{- end }}
      {{- end }}
      {{- with $block.clientCertificateSecret }}
      {{- if .name }}
      - secret:
          name: {{ .name | quote }}
          items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
      {{- end }}
      {{- end }}
{{- end }}
{{- end -}}

{{/* Every setting that is no secret, by its variable. What `config` says goes before what the chart made. */}}
{{- define "vectorplane-operator.settings" -}}
{{- $kong := include "vectorplane-operator.shared" (list . "kong") | fromYaml -}}
{{- $consul := include "vectorplane-operator.shared" (list . "consul") | fromYaml -}}
{{- $access := include "vectorplane-operator.shared" (list . "access") | fromYaml -}}
{{- $mode := include "vectorplane-operator.gatewayMode" . -}}
{{- $env := dict
  "OPERATOR_HTTP_PORT" "8080"
  "OPERATOR_LEASE_NAME" (include "vectorplane-operator.fullname" .)
  "OPERATOR_SERVICE_NAME" (include "vectorplane-operator.serviceName" .)
  "OPERATOR_SERVICE_NAMESPACE" (.Values.service.namespace | default .Release.Namespace)
  "OPERATOR_SERVICE_PORT" (int .Values.service.port)
  "OPERATOR_SERVICE_URL" (include "vectorplane-operator.serviceUrl" .)
  "OPERATOR_GATEWAY_MODE" $mode
  "OPERATOR_ACCESS" $access.enabled
  "OPERATOR_ACCESS_CONFIGMAP" $access.configMap
-}}
{{- if ne $mode "none" -}}
{{- $_ := set $env "OPERATOR_GATEWAY_URL" $kong.url -}}
{{- $_ := set $env "OPERATOR_VERIFY_URL" $kong.verifyUrl -}}
{{- end -}}
{{- if eq $mode "gateway-api" -}}
{{- $_ := set $env "OPERATOR_GATEWAY_NAME" $kong.gateway.name -}}
{{- $_ := set $env "OPERATOR_GATEWAY_NAMESPACE" $kong.gateway.namespace -}}
{{- $_ := set $env "OPERATOR_GATEWAY_LISTENER" $kong.gateway.listener -}}
{{- end -}}
{{- if eq $mode "kong-admin" -}}
{{- $_ := set $env "OPERATOR_KONG_ADMIN_URL" (required "kong.admin.url: needed for kong.mode kong-admin" $kong.admin.url) -}}
{{- if $kong.admin.tokenSecret.name -}}
{{- $_ := set $env "OPERATOR_KONG_ADMIN_TOKEN_HEADER" $kong.admin.tokenHeader -}}
{{- end -}}
{{- include "vectorplane-operator.tlsFiles" (list $env "OPERATOR_KONG_ADMIN" "kong" $kong.admin) -}}
{{- end -}}
{{- if $consul.url -}}
{{- $_ := set $env "OPERATOR_CONSUL_URL" $consul.url -}}
{{- $_ := set $env "OPERATOR_CONSUL_DATACENTER" $consul.datacenter -}}
{{- include "vectorplane-operator.tlsFiles" (list $env "OPERATOR_CONSUL" "consul" $consul) -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite $env .Values.config }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "vectorplane-operator.tlsFiles" -}}
{{- $env := index . 0 -}}
{{- $folder := printf "/etc/vectorplane/%s" (index . 2) -}}
{{- $block := index . 3 -}}
{{- if $block.caSecret.name -}}
{{- $_ := set $env (printf "%s_CA_FILE" (index . 1)) (printf "%s/ca.crt" $folder) -}}
{{- end -}}
{{- if $block.clientCertificateSecret.name -}}
{{- $_ := set $env (printf "%s_CERT_FILE" (index . 1)) (printf "%s/tls.crt" $folder) -}}
{{- $_ := set $env (printf "%s_KEY_FILE" (index . 1)) (printf "%s/tls.key" $folder) -}}
{{- end -}}
{{- end -}}

{{/* A Role's head and its binding: a list of the context, what the name ends with, and the namespace where it
     is not the release's. */}}
{{- define "vectorplane-operator.role" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s-%s" (include "vectorplane-operator.fullname" $root) (index . 1) -}}
{{- $namespace := $root.Release.Namespace -}}
{{- if gt (len .) 2 -}}
{{- $namespace = index . 2 -}}
{{- end -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "vectorplane-operator.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "vectorplane-operator.serviceAccount" $root }}
    namespace: {{ $root.Release.Namespace }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "vectorplane-operator.labels" $root | nindent 4 }}
{{- end -}}

{{/* Every setting that is a secret: a reference each. */}}
{{- define "vectorplane-operator.secrets" -}}
{{- $kong := include "vectorplane-operator.shared" (list . "kong") | fromYaml -}}
{{- $consul := include "vectorplane-operator.shared" (list . "consul") | fromYaml -}}
{{- if eq (include "vectorplane-operator.gatewayMode" .) "kong-admin" -}}
{{- include "vectorplane-operator.secretEnv" (list "OPERATOR_KONG_ADMIN_TOKEN" $kong.admin.tokenSecret) -}}
{{- end -}}
{{- if $consul.url -}}
{{- include "vectorplane-operator.secretEnv" (list "OPERATOR_CONSUL_TOKEN" $consul.tokenSecret) -}}
{{- end -}}
{{- end -}}
