{{/* What has to be said, and what contradicts itself: ends the installation with a sentence. Single values are the schema's. */}}
{{- define "seatline.requirements" -}}
{{- $secrets := .Values.secrets }}
{{- if not .Values.callers.trustMetadata }}
{{- fail "callers.trustMetadata: callers name themselves without proof, so whoever can connect may do everything; set it to true once networkPolicy.callers names those you trust" }}
{{- end }}
{{- if and $secrets.existingSecret (or $secrets.mongodbUri $secrets.stripeKey) }}
{{- fail "secrets: mongodbUri and stripeKey belong into the existingSecret that is named" }}
{{- end }}
{{- if and .Values.mongodb.enabled (or $secrets.existingSecret $secrets.mongodbUri) }}
{{- fail "mongodb.enabled: there is a database already, in secrets" }}
{{- end }}
{{- if not (or .Values.mongodb.enabled $secrets.existingSecret $secrets.mongodbUri) }}
{{- fail "secrets: name an existingSecret or a mongodbUri; or, for a trial, set mongodb.enabled" }}
{{- end }}
{{- if and (eq .Values.payments.provider "stripe") (not (or $secrets.existingSecret $secrets.stripeKey)) }}
{{- fail "payments.provider: stripe needs secrets.existingSecret or secrets.stripeKey" }}
{{- end }}
{{- if and $secrets.stripeKey (ne .Values.payments.provider "stripe") }}
{{- fail "secrets.stripeKey: there is a key, but payments.provider is not stripe" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.scrapers) }}
{{- fail "serviceMonitor.enabled: networkPolicy.scrapers names nobody, so the release's own policy keeps Prometheus away from the metrics port; name Prometheus's pods there" }}
{{- end }}
{{- with .Values.api.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail "api.autoscaling: minReplicas is above maxReplicas" }}
{{- end }}
{{- end }}
{{- end }}
