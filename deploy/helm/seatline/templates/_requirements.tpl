{{/* Required values and contradictions between values; fails the installation with a message. The schema checks single values. */}}
{{- define "seatline.requirements" -}}
{{- $secrets := .Values.secrets }}
{{- if not .Values.callers.trustMetadata }}
{{- fail "callers.trustMetadata: Seatline does not verify callers, so anybody who can connect can do everything; set it to true once networkPolicy.callers lists only programs that you trust" }}
{{- end }}
{{- if and $secrets.existingSecret (or $secrets.mongodbUri $secrets.stripeKey) }}
{{- fail "secrets: existingSecret is set, so put mongodbUri and stripeKey into that Secret and not into the values" }}
{{- end }}
{{- if and .Values.mongodb.enabled (or $secrets.existingSecret $secrets.mongodbUri) }}
{{- fail "mongodb.enabled: secrets already name another database; remove one of the two" }}
{{- end }}
{{- if not (or .Values.mongodb.enabled $secrets.existingSecret $secrets.mongodbUri) }}
{{- fail "secrets: set existingSecret or mongodbUri; or, for a trial, set mongodb.enabled" }}
{{- end }}
{{- if and (eq .Values.payments.provider "stripe") (not (or $secrets.existingSecret $secrets.stripeKey (hasKey .Values.payments.secrets "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"))) }}
{{- fail "payments.provider: stripe needs secrets.existingSecret, secrets.stripeKey or an entry in payments.secrets" }}
{{- end }}
{{- range $setting, $reference := .Values.payments.secrets }}
{{- if not (or $reference.secret $secrets.existingSecret) }}
{{- fail (printf "payments.secrets.%s: name its Secret (secret), or set secrets.existingSecret" $setting) }}
{{- end }}
{{- end }}
{{- if and $secrets.stripeKey (ne .Values.payments.provider "stripe") }}
{{- fail "secrets.stripeKey: a key is set, but payments.provider is not stripe" }}
{{- end }}
{{- range $channel, $settings := dict "email" (list "SEATLINE_NOTICE_SENDER" "SEATLINE_SMTP_HOST") "sms" (list "SEATLINE_SMS_ACCOUNT" "SEATLINE_SMS_SENDER") }}
{{- if has $channel $.Values.notices.channels }}
{{- range $settings }}
{{- if not (get $.Values.settings .) }}
{{- fail (printf "notices.channels: %s needs settings.%s" $channel .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.notices }}
{{- if and .channels (not (hasKey .files "SEATLINE_TICKET_KEY_FILE")) }}
{{- fail "notices.channels: notices need notices.files.SEATLINE_TICKET_KEY_FILE, the key that signs tickets" }}
{{- end }}
{{- if and (has "sms" .channels) (not (hasKey .files "SEATLINE_SMS_TOKEN_FILE")) }}
{{- fail "notices.channels: sms needs notices.files.SEATLINE_SMS_TOKEN_FILE" }}
{{- end }}
{{- if ne (hasKey .files "SEATLINE_SMTP_PASSWORD_FILE") (not (empty $.Values.settings.SEATLINE_SMTP_USERNAME)) }}
{{- fail "notices.files.SEATLINE_SMTP_PASSWORD_FILE and settings.SEATLINE_SMTP_USERNAME need each other" }}
{{- end }}
{{- if and .fontsClaim (hasKey $.Values.settings "SEATLINE_TICKET_FONTS_DIR") }}
{{- fail "notices.fontsClaim: settings.SEATLINE_TICKET_FONTS_DIR names another folder; remove one of the two" }}
{{- end }}
{{- range $setting, $reference := .files }}
{{- if not (or $reference.secret $secrets.existingSecret) }}
{{- fail (printf "notices.files.%s: name its Secret (secret), or set secrets.existingSecret" $setting) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.scrapers) }}
{{- fail "serviceMonitor.enabled: networkPolicy.scrapers is empty, so the network policy blocks Prometheus from the metrics port; list Prometheus's pods there" }}
{{- end }}
{{- with .Values.api.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail "api.autoscaling: minReplicas is greater than maxReplicas" }}
{{- end }}
{{- end }}
{{- end }}
