{{/* Names and labels of the objects. Not here: anything inside of pods. */}}

{{- define "seatline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* What all names begin with. Names of Services have at most 63 characters; the longest ending takes 9 of them. */}}
{{- define "seatline.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains (include "seatline.name" .) .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "seatline.name" .) | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "seatline.serviceAccountName" -}}
{{- default (ternary (include "seatline.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "seatline.secretName" -}}
{{- default (include "seatline.fullname" .) .Values.secrets.existingSecret }}
{{- end }}

{{/* Takes (list context component). What finds the pods of a component: never changes, since Deployments forbid it. */}}
{{- define "seatline.selector" -}}
{{- $context := index . 0 -}}
app.kubernetes.io/name: {{ include "seatline.name" $context }}
app.kubernetes.io/instance: {{ $context.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Takes (list context component). */}}
{{- define "seatline.labels" -}}
{{- $context := index . 0 -}}
{{ include "seatline.selector" . }}
app.kubernetes.io/part-of: seatline
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Takes (dict "image" values "tag" what stands for an empty one). */}}
{{- define "seatline.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .tag .image.tag }}
{{- end }}
{{- end }}

{{- define "seatline.mongodbName" -}}
{{ include "seatline.fullname" . }}-mongodb
{{- end }}

{{/* The trial's MongoDB by the name that its pod has for good. */}}
{{- define "seatline.mongodbHost" -}}
{{- $name := include "seatline.mongodbName" . -}}
{{ $name }}-0.{{ $name }}.{{ .Release.Namespace }}.svc:27017
{{- end }}
