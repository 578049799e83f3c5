{{/* Parts that the pods of servers, workers and the test share. Does not belong here: what only one of them has. */}}

{{- define "seatline.ports.grpc" -}}50051{{- end }}
{{- define "seatline.ports.metrics" -}}9464{{- end }}

{{/* Shutdown time of a worker: its jobs finish, then it closes its connections. */}}
{{- define "seatline.graceSeconds.worker" -}}
{{- add .Values.shutdown.drainSeconds .Values.shutdown.marginSeconds }}
{{- end }}

{{/* Time for which a server waits for its clients to leave: the maximum age of a connection plus a tenth and one second. */}}
{{- define "seatline.leavingSeconds" -}}
{{- $age := int .Values.shutdown.connectionSeconds }}
{{- if $age }}{{ add (div (add (mul $age 11) 9) 10) 1 }}{{ else }}0{{ end }}
{{- end }}

{{/* Shutdown time of a server: endpoints propagate, health reports it, clients leave, calls finish, connections close. */}}
{{- define "seatline.graceSeconds.api" -}}
{{- $leaving := include "seatline.leavingSeconds" . }}
{{- with .Values.shutdown }}
{{- add .preStopSeconds .drainDelaySeconds $leaving .drainSeconds .marginSeconds }}
{{- end }}
{{- end }}

{{- define "seatline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "seatline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Image pull secrets, node selector, tolerations and priority. Takes (list context component-values). */}}
{{- define "seatline.placement" -}}
{{- $context := index . 0 }}
{{- with $context.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with index . 1 }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Takes (list context component). Counts only pods of one revision; otherwise an update would pile up the new pods. */}}
{{- define "seatline.spread" -}}
{{- $spread := (index . 0).Values.topologySpread }}
{{- $labels := include "seatline.selector" . }}
{{- if or $spread.zone $spread.node }}
topologySpreadConstraints:
  {{- range $key, $how := dict "topology.kubernetes.io/zone" $spread.zone "kubernetes.io/hostname" $spread.node }}
  {{- if $how }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $how }}
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Environment: the ConfigMap, and what differs per pod or is secret. */}}
{{- define "seatline.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "seatline.fullname" . }}
env:
  - name: SEATLINE_MONGODB_URI
    valueFrom:
      secretKeyRef:
        name: {{ include "seatline.secretName" . }}
        key: {{ .Values.secrets.mongodbUriKey }}
  {{- if .Values.tracing.endpoint }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: k8s.namespace.name={{ .Release.Namespace }},k8s.pod.name=$(POD_NAME)
  {{- end }}
{{- end }}

{{/* Secrets of the payment provider, as JSON: Secret and key by setting. Stripe's key has values of its own as well. */}}
{{- define "seatline.paymentSecrets" -}}
{{- $references := dict }}
{{- range $setting, $reference := .Values.payments.secrets }}
{{- $secret := default (include "seatline.secretName" $) $reference.secret }}
{{- $_ := set $references $setting (dict "secret" $secret "key" $reference.key) }}
{{- end }}
{{- if and (eq .Values.payments.provider "stripe") (not (hasKey $references "SEATLINE_PAYMENTS_STRIPE_KEY_FILE")) }}
{{- $reference := dict "secret" (include "seatline.secretName" .) "key" .Values.secrets.stripeKeyKey }}
{{- $_ := set $references "SEATLINE_PAYMENTS_STRIPE_KEY_FILE" $reference }}
{{- end }}
{{- toJson $references }}
{{- end }}

{{/* Files of notices and tickets, as JSON: Secret and key by setting. Takes (list context component): servers only have those of
tickets. */}}
{{- define "seatline.noticeFiles" -}}
{{- $context := index . 0 }}
{{- $component := index . 1 }}
{{- $references := dict }}
{{- range $setting, $reference := $context.Values.notices.files }}
{{- if or (eq $component "worker") (hasPrefix "SEATLINE_TICKET_" $setting) }}
{{- $secret := default (include "seatline.secretName" $context) $reference.secret }}
{{- $_ := set $references $setting (dict "secret" $secret "key" $reference.key) }}
{{- end }}
{{- end }}
{{- toJson $references }}
{{- end }}

{{/* Volume of files by setting. Takes (dict "name" name "references" references). */}}
{{- define "seatline.fileVolume" -}}
- name: {{ .name }}
  projected:
    defaultMode: 0440
    sources:
      {{- range $setting, $reference := .references }}
      - secret:
          name: {{ $reference.secret }}
          items:
            - key: {{ $reference.key }}
              path: {{ $setting }}
      {{- end }}
{{- end }}

{{/* Takes (list context component). */}}
{{- define "seatline.mounts" -}}
{{- $noticeFiles := fromJson (include "seatline.noticeFiles" .) }}
{{- with index . 0 -}}
- name: tmp
  mountPath: /tmp
{{- if $noticeFiles }}
- name: notices
  mountPath: /etc/seatline/notices
  readOnly: true
{{- end }}
{{- if .Values.notices.fontsClaim }}
- name: fonts
  mountPath: /etc/seatline/fonts
  readOnly: true
{{- end }}
{{- if fromJson (include "seatline.paymentSecrets" .) }}
- name: payments
  mountPath: /etc/seatline/payments
  readOnly: true
{{- end }}
{{- if .Values.secrets.filesSecret }}
- name: files
  mountPath: /etc/seatline/files
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{/* Takes (list context component). */}}
{{- define "seatline.volumes" -}}
{{- $noticeFiles := fromJson (include "seatline.noticeFiles" .) }}
{{- with index . 0 -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with $noticeFiles }}
{{ include "seatline.fileVolume" (dict "name" "notices" "references" .) }}
{{- end }}
{{- with .Values.notices.fontsClaim }}
- name: fonts
  persistentVolumeClaim:
    claimName: {{ . }}
    readOnly: true
{{- end }}
{{- with fromJson (include "seatline.paymentSecrets" .) }}
{{ include "seatline.fileVolume" (dict "name" "payments" "references" .) }}
{{- end }}
{{- if .Values.secrets.filesSecret }}
- name: files
  secret:
    secretName: {{ .Values.secrets.filesSecret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}

{{/* Annotations that change with the settings and secrets, so that the pods restart and read them again. */}}
{{- define "seatline.checksums" -}}
checksum/settings: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
{{- if not .Values.secrets.existingSecret }}
checksum/secret: {{ include (print $.Template.BasePath "/secret.yaml") . | sha256sum }}
{{- end }}
{{- end }}
