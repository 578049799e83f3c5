{{/* Names and labels of objects. Does not belong here: the contents of pods (_pods.tpl). */}}

{{- define "seatline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 48 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of all names. A Service's name has at most 63 characters, and the longest suffix takes 9 of them. */}}
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

{{/* Selector of a component's pods. Takes (list context component). Never changes: a Deployment's selector is immutable. */}}
{{- define "seatline.selector" -}}
{{- $context := index . 0 -}}
app.kubernetes.io/name: {{ include "seatline.name" $context }}
app.kubernetes.io/instance: {{ $context.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of a component's objects. Takes (list context component). */}}
{{- define "seatline.labels" -}}
{{- $context := index . 0 -}}
{{ include "seatline.selector" . }}
app.kubernetes.io/part-of: seatline
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Image reference. Takes (dict "image" values "tag" default-tag). */}}
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

{{/* Stable host name of the trial's MongoDB pod. */}}
{{- define "seatline.mongodbHost" -}}
{{- $name := include "seatline.mongodbName" . -}}
{{ $name }}-0.{{ $name }}.{{ .Release.Namespace }}.svc:27017
{{- end }}
