{{/* Base of all names. */}}
{{- define "dmm.base" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}
{{- else if .Chart.IsRoot -}}{{ .Release.Name }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name }}
{{- end -}}
{{- end -}}

{{/* A name that fits: (list root suffix max). What is cut off is told apart by a hash. */}}
{{- define "dmm.name" -}}
{{- $base := include "dmm.base" (index . 0) -}}
{{- $suffix := index . 1 -}}
{{- $max := index . 2 -}}
{{- if le (add (len $base) (len $suffix)) $max -}}{{ $base }}{{ $suffix }}
{{- else -}}
{{- $keep := sub $max (add (len $suffix) 9) | int -}}
{{ $base | trunc $keep | trimAll "-." }}-{{ $base | sha256sum | trunc 8 }}{{ $suffix }}
{{- end -}}
{{- end -}}

{{/* What selects the pods of this release. Not "dmm": Domino's model monitor has names that begin so. */}}
{{- define "dmm.selectorLabels" -}}
app.kubernetes.io/name: domino-maintenance-mode
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Labels of every object: (dict "root" $ "component" "restore" "labels" (dict)). The chart's own come first. */}}
{{- define "dmm.labels" -}}
{{- $labels := fromYaml (include "dmm.selectorLabels" .root) -}}
{{- with .component }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end -}}
{{- $_ := set $labels "app.kubernetes.io/version" (.root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | trimAll "-_.") -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_.") -}}
{{- merge $labels (.labels | default dict) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* metadata of an object: (dict "root" $ "name" "x" "component" "restore" "annotations" (dict)). */}}
{{- define "dmm.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
labels:
  {{- include "dmm.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "dmm.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}{{ include "dmm.name" (list . "" 63) }}
{{- else -}}default
{{- end -}}
{{- end -}}

{{/* The one that hooks run as. A hook runs before what the release changes is there, so that it has its own. */}}
{{- define "dmm.hookServiceAccountName" -}}
{{- if .Values.serviceAccount.create -}}{{ include "dmm.name" (list . "-hook" 63) }}
{{- else -}}{{ include "dmm.serviceAccountName" . }}
{{- end -}}
{{- end -}}

{{- define "dmm.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{- define "dmm.openshift" -}}
{{- $v := toString .Values.openshift -}}
{{- if or (eq $v "true") (and (eq $v "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}true{{ end -}}
{{- end -}}

{{/* Seconds of a duration such as 1h30m. */}}
{{- define "dmm.seconds" -}}
{{- $t := toString . -}}
{{- $h := regexFind "[0-9]+h" $t | trimSuffix "h" | default "0" | int -}}
{{- $m := regexFind "[0-9]+m" $t | trimSuffix "m" | default "0" | int -}}
{{- $s := regexFind "[0-9]+s" $t | trimSuffix "s" | default "0" | int -}}
{{- add (mul $h 3600) (mul $m 60) $s -}}
{{- end -}}

{{/* Seconds that the Job of a mode may take, or nothing. */}}
{{- define "dmm.activeDeadlineSeconds" -}}
{{- $s := include "dmm.seconds" .Values.deadline | int -}}
{{- if $s }}{{ add $s 600 }}{{ end -}}
{{- end -}}

{{/* What helm upgrade needs as --timeout: Helm waits so long for each hook. */}}
{{- define "dmm.timeout" -}}
{{- $s := include "dmm.activeDeadlineSeconds" . | int -}}
{{- if $s }}{{ add (div $s 60) 5 }}m{{ else }}24h{{ end -}}
{{- end -}}

{{- define "dmm.hooks" -}}
{{- if and .Values.hooks.enabled (or .Values.hooks.everyUpgrade .Values.hooks.intent) }}true{{ end -}}
{{- end -}}

{{/* Whether any hook of the release runs a pod. */}}
{{- define "dmm.anyHook" -}}
{{- if or (include "dmm.hooks" .) .Values.hooks.preDelete.enabled }}true{{ end -}}
{{- end -}}

{{/* Annotations of what a hook needs and is no pod. */}}
{{- define "dmm.hookSupport" -}}
{{- $on := list -}}
{{- if include "dmm.hooks" . }}{{ $on = list "pre-upgrade" "post-upgrade" "post-rollback" }}{{ end -}}
{{- if .Values.hooks.preDelete.enabled }}{{ $on = append $on "pre-delete" }}{{ end -}}
helm.sh/hook: {{ join "," $on }}
helm.sh/hook-weight: {{ sub (min .Values.hooks.snapshot.weight .Values.hooks.shutdown.weight .Values.hooks.restore.weight 0) 10 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "dmm.credentialsSecret" -}}
{{- if .root.Values.domino.credentials.value -}}
{{- include "dmm.name" (list .root (ternary "-hook-domino" "-domino" (eq (toString .hook) "true")) 63) -}}
{{- else -}}{{ .root.Values.domino.credentials.existingSecret }}
{{- end -}}
{{- end -}}

{{- define "dmm.credentialsKey" -}}
{{- .Values.domino.credentials.key | default .Values.domino.credentials.type -}}
{{- end -}}

{{/*
Where the key of the records is from: "given" by a Secret of the user's, or "make", a Secret of the chart's own that is there or is
made now. Nothing: there is none. A key is made at the first installation only, since a window that was begun without one is finished
without, and only where the cluster can be asked: one that changed with each rendering would be worse than none.
*/}}
{{- define "dmm.journalKey" -}}
{{- if .Values.journalKey.existingSecret -}}given
{{- else if and .Values.journalKey.create (include "dmm.canLook" .) -}}
{{- if or .Release.IsInstall (lookup "v1" "Secret" .Release.Namespace (include "dmm.journalKeySecret" .)) -}}make{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dmm.journalKeySecret" -}}
{{- .Values.journalKey.existingSecret | default (include "dmm.name" (list . "-journal-key" 63)) -}}
{{- end -}}

{{- define "dmm.claim" -}}
{{- .Values.store.volume.existingClaim | default (include "dmm.name" (list . "" 63)) -}}
{{- end -}}

{{/* A pod learns who it is from addresses of its node, without a proxy: EKS pod identity, and the metadata services of the clouds. */}}
{{- define "dmm.noProxy" -}}
{{- $host := (urlParse .Values.domino.url).host | splitList ":" | first -}}
{{- $no := list "$(KUBERNETES_SERVICE_HOST)" ".svc" ".cluster.local" "169.254.0.0/16" "fd00:ec2::/32" "metadata.google.internal" -}}
{{- if le (len (splitList "." $host)) 2 }}{{ $no = append $no $host }}{{ end -}}
{{- with .Values.proxy.noProxy }}{{ $no = append $no . }}{{ end -}}
{{- join "," $no -}}
{{- end -}}

{{/*
The environment of a mode, as a map of name to value, from (dict "root" $ "mode" "restore" "overrides" (dict)).
What is not set is left to dmm's own defaults, so that a pod shows what was chosen.
*/}}
{{- define "dmm.environment" -}}
{{- $v := .root.Values -}}
{{- $env := dict "DOMINO_HOSTNAME" $v.domino.url -}}
{{- $_ := set $env "DMM_STORE" ($v.store.url | default "file:///var/lib/dmm") -}}
{{- $dir := "/etc/dmm/domino" -}}
{{- if eq $v.domino.credentials.type "apiKey" -}}
{{- $_ := set $env "DOMINO_API_KEY_FILE" (printf "%s/%s" $dir (include "dmm.credentialsKey" .root)) -}}
{{- else if eq $v.domino.credentials.type "token" -}}
{{- $_ := set $env "DOMINO_TOKEN_FILE" (printf "%s/%s" $dir (include "dmm.credentialsKey" .root)) -}}
{{- else -}}
{{- $_ := set $env "DOMINO_TOKEN_FILE" (printf "%s/token" $dir) -}}
{{- end -}}
{{- if or $v.ca.configMap $v.ca.secret }}{{ $_ := set $env "DOMINO_CA_FILE" (printf "/etc/dmm/ca/%s" $v.ca.key) }}{{ end -}}
{{- if include "dmm.journalKey" .root }}{{ $_ := set $env "DMM_JOURNAL_KEY_FILE" (printf "/etc/dmm/journal/%s" $v.journalKey.key) }}{{ end -}}
{{- with $v.proxy.http }}{{ $_ := set $env "HTTP_PROXY" . }}{{ end -}}
{{- with $v.proxy.https }}{{ $_ := set $env "HTTPS_PROXY" . }}{{ end -}}
{{- if or $v.proxy.http $v.proxy.https }}{{ $_ := set $env "NO_PROXY" (include "dmm.noProxy" .root) }}{{ end -}}
{{- $_ := set $env "DMM_DEADLINE" $v.deadline -}}
{{- if $v.kubernetes.enabled -}}
{{- $_ := set $env "DMM_COMPUTE_NAMESPACES" (join "," $v.kubernetes.computeNamespaces) -}}
{{- $_ := set $env "DMM_OPERATOR_NAMESPACE" $v.kubernetes.operatorNamespace -}}
{{- else -}}
{{- $_ := set $env "DMM_KUBERNETES" "false" -}}
{{- end -}}
{{- range $key, $variable := fromYaml (include "dmm.settingVariables" .root) -}}
{{- $value := get $v.settings $key -}}
{{- if kindIs "slice" $value }}{{ $value = join "," $value }}{{ end -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end -}}
{{- if and (not (kindIs "invalid" $value)) (ne (toString $value) "") }}{{ $_ := set $env $variable (toString $value) }}{{ end -}}
{{- end -}}
{{- range $variable, $value := .overrides }}{{ $_ := set $env $variable $value }}{{ end -}}
{{- $other := list "POD_NAME" "POD_NAMESPACE" "JOB_NAME" "JOB_UID" -}}
{{- if $v.webhook.existingSecret }}{{ $other = append $other "DMM_WEBHOOK_URL" }}{{ end -}}
{{- range $v.extraEnv -}}
{{- if or (hasKey $env .name) (has .name $other) }}{{ fail (printf "\n\nextraEnv sets %s, which the chart sets itself: use its own value instead" .name) }}{{ end -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{/*
The pod of a mode: (dict "root" $ "mode" "restore" "hook" false "overrides" (dict)). Every pod of the chart is made here, so that
nothing is forgotten on one of them.
*/}}
{{- define "dmm.podTemplate" -}}
{{- $v := .root.Values -}}
metadata:
  labels:
    {{- include "dmm.labels" (dict "root" .root "component" .mode "labels" (merge (dict) $v.podLabels (dict "sidecar.istio.io/inject" "false"))) | nindent 4 }}
  annotations:
    {{- merge (dict) $v.podAnnotations $v.commonAnnotations (dict "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" "sidecar.istio.io/inject" "false") | toYaml | nindent 4 }}
spec:
  {{- include "dmm.podSpec" . | nindent 2 }}
{{- end -}}

{{- define "dmm.podSpec" -}}
{{- $v := .root.Values -}}
{{- $type := $v.domino.credentials.type -}}
restartPolicy: Never
serviceAccountName: {{ include (ternary "dmm.hookServiceAccountName" "dmm.serviceAccountName" (eq (toString .hook) "true")) .root | quote }}
automountServiceAccountToken: {{ $v.kubernetes.enabled }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $v.job.terminationGracePeriodSeconds }}
{{- with concat ($v.global.imagePullSecrets | default list) $v.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name | quote }}{{ else }}{{ . | quote }}{{ end }}
  {{- end }}
{{- end }}
securityContext:
  {{- if include "dmm.openshift" .root }}
  {{- toYaml (omit $v.podSecurityContext "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups") | nindent 2 }}
  {{- else }}
  {{- toYaml $v.podSecurityContext | nindent 2 }}
  {{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
containers:
  - name: dmm
    image: {{ include "dmm.image" .root | quote }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    args: [{{ .mode }}]
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext:
      {{- if include "dmm.openshift" .root }}
      {{- toYaml (omit $v.securityContext "runAsUser" "runAsGroup") | nindent 6 }}
      {{- else }}
      {{- toYaml $v.securityContext | nindent 6 }}
      {{- end }}
    resources:
      {{- toYaml $v.resources | nindent 6 }}
    env:
      - name: POD_NAME
        valueFrom: {fieldRef: {fieldPath: metadata.name}}
      - name: POD_NAMESPACE
        valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
      - name: JOB_NAME
        valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
      - name: JOB_UID
        valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/controller-uid']"}}
      {{- with $v.webhook.existingSecret }}
      - name: DMM_WEBHOOK_URL
        valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: {{ $v.webhook.key | quote }}}}
      {{- end }}
      {{- range $name, $value := fromYaml (include "dmm.environment" .) }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
      {{- with $v.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if or $v.store.credentialsSecret $v.extraEnvFrom }}
    envFrom:
      {{- with $v.store.credentialsSecret }}
      - secretRef: {name: {{ . | quote }}}
      {{- end }}
      {{- with $v.extraEnvFrom }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    volumeMounts:
      - {name: domino, mountPath: /etc/dmm/domino, readOnly: true}
      {{- if or $v.ca.configMap $v.ca.secret }}
      - {name: ca, mountPath: /etc/dmm/ca, readOnly: true}
      {{- end }}
      {{- if include "dmm.journalKey" .root }}
      - {name: journal-key, mountPath: /etc/dmm/journal, readOnly: true}
      {{- end }}
      {{- if not $v.store.url }}
      - name: store
        mountPath: /var/lib/dmm
        {{- with $v.store.volume.subPath }}
        subPath: {{ . | quote }}
        {{- end }}
      {{- end }}
      {{- with $v.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: domino
    {{- if eq $type "serviceAccountToken" }}
    projected:
      defaultMode: 0444
      sources:
        - serviceAccountToken:
            path: token
            {{- with $v.domino.credentials.audience }}
            audience: {{ . | quote }}
            {{- end }}
            expirationSeconds: {{ $v.domino.credentials.expirationSeconds }}
    {{- else }}
    secret:
      secretName: {{ include "dmm.credentialsSecret" (dict "root" .root "hook" .hook) | quote }}
      defaultMode: 0444
      items:
        - {key: {{ include "dmm.credentialsKey" .root | quote }}, path: {{ include "dmm.credentialsKey" .root | quote }}}
    {{- end }}
  {{- if $v.ca.configMap }}
  - name: ca
    configMap:
      name: {{ $v.ca.configMap | quote }}
  {{- else if $v.ca.secret }}
  - name: ca
    secret:
      secretName: {{ $v.ca.secret | quote }}
      items:
        - {key: {{ $v.ca.key | quote }}, path: {{ $v.ca.key | quote }}}
  {{- end }}
  {{- if include "dmm.journalKey" .root }}
  - name: journal-key
    secret:
      secretName: {{ include "dmm.journalKeySecret" .root | quote }}
      defaultMode: 0444
      items:
        - {key: {{ $v.journalKey.key | quote }}, path: {{ $v.journalKey.key | quote }}}
  {{- end }}
  {{- if not $v.store.url }}
  - name: store
    persistentVolumeClaim:
      claimName: {{ include "dmm.claim" .root | quote }}
  {{- end }}
  {{- with $v.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
The spec of a Job. A pod that was evicted is replaced and does not count: that is what the upgrade of Kubernetes does to it. A
failure that another try cannot mend fails the Job at once; the exit codes are those of docs/reference.md.
*/}}
{{- define "dmm.jobSpec" -}}
{{- $v := .root.Values -}}
backoffLimit: {{ .backoffLimit | default $v.job.backoffLimit }}
podReplacementPolicy: Failed
{{- with .activeDeadlineSeconds | default (include "dmm.activeDeadlineSeconds" .root) }}
activeDeadlineSeconds: {{ . }}
{{- end }}
{{- if not (kindIs "invalid" $v.job.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ $v.job.ttlSecondsAfterFinished }}
{{- end }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
    - action: FailJob
      onExitCodes:
        containerName: dmm
        operator: In
        values: [2, 4, 5, 6, 7, 74]
template:
  {{- include "dmm.podTemplate" . | nindent 2 }}
{{- end -}}

{{/* Whether the cluster can be asked: not by helm template, and not by Argo CD. */}}
{{- define "dmm.canLook" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}true{{ end -}}
{{- end -}}
