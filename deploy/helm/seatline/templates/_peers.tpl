{{/* Egress rules of NetworkPolicies. Does not belong here: ingress rules. */}}

{{- define "seatline.egress.dns" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{/* Takes (dict "ports" numbers "peers" peers). Without peers the rule allows any address. */}}
{{- define "seatline.egress.to" -}}
- ports:
    {{- range .ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "seatline.egress.database" -}}
{{- if .Values.mongodb.enabled -}}
- ports:
    - port: 27017
      protocol: TCP
  to:
    - podSelector:
        matchLabels:
          {{- include "seatline.selector" (list . "mongodb") | nindent 10 }}
{{- else -}}
{{ include "seatline.egress.to" (dict "ports" .Values.networkPolicy.egress.mongodbPorts "peers" .Values.networkPolicy.egress.mongodbPeers) }}
{{- end }}
{{- end }}

{{- define "seatline.egress.tracing" -}}
{{ include "seatline.egress.to" (dict "ports" .Values.networkPolicy.egress.tracingPorts "peers" .Values.networkPolicy.egress.tracingPeers) }}
{{- end }}

{{/* The mail server's port is that of the setting, or the setting's default. */}}
{{- define "seatline.egress.mail" -}}
{{- $port := int (default 587 .Values.settings.SEATLINE_SMTP_PORT) -}}
{{ include "seatline.egress.to" (dict "ports" (list $port) "peers" .Values.networkPolicy.egress.mailPeers) }}
{{- end }}

{{/* Public addresses only: a webhook must not reach into the cluster. */}}
{{- define "seatline.egress.public" -}}
- ports:
    {{- range .Values.networkPolicy.egress.publicPorts }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]
    - ipBlock:
        cidr: 2000::/3
{{- end }}
