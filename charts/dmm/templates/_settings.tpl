{{/* Made from internal/config and internal/modes by "go generate ./test/chart". */}}

{{/* Which variable a key of settings is. */}}
{{- define "dmm.settingVariables" -}}
dryRun: DMM_DRY_RUN
file: DMM_FILE
reason: DMM_REASON
window: DMM_WINDOW
format: DMM_FORMAT
confirm: DMM_YES
watch: DMM_WATCH
sslNoVerify: DOMINO_SSL_NO_VERIFY
s3Endpoint: DMM_S3_ENDPOINT
s3Region: DMM_S3_REGION
s3PathStyle: DMM_S3_PATH_STYLE
s3KmsKeyId: DMM_S3_KMS_KEY_ID
azureAccount: DMM_AZURE_ACCOUNT
azureEndpoint: DMM_AZURE_ENDPOINT
gcsEndpoint: DMM_GCS_ENDPOINT
dominoFile: DMM_DOMINO_FILE
keep: DMM_KEEP
keepWithin: DMM_KEEP_WITHIN
snapshot: DMM_SNAPSHOT
snapshotMaxAge: DMM_SNAPSHOT_MAX_AGE
allowIncomplete: DMM_ALLOW_INCOMPLETE
allowUnknownVersion: DMM_ALLOW_UNKNOWN_VERSION
kinds: DMM_KINDS
projects: DMM_PROJECTS
owners: DMM_OWNERS
excludeProjects: DMM_EXCLUDE_PROJECTS
excludeOwners: DMM_EXCLUDE_OWNERS
exclude: DMM_EXCLUDE
restoreFrom: DMM_RESTORE_FROM
giveUp: DMM_GIVE_UP
allowChangedArguments: DMM_ALLOW_CHANGED_ARGUMENTS
runningJobs: DMM_RUNNING_JOBS
externalDeployments: DMM_EXTERNAL_DEPLOYMENTS
runningBuilds: DMM_RUNNING_BUILDS
restoreWorkspaces: DMM_RESTORE_WORKSPACES
rerunJobs: DMM_RERUN_JOBS
rebuild: DMM_REBUILD
concurrency: DMM_CONCURRENCY
startConcurrency: DMM_START_CONCURRENCY
gracePeriod: DMM_GRACE_PERIOD
maxFailures: DMM_MAX_FAILURES
waitReady: DMM_WAIT_READY
notify: DMM_NOTIFY
notifyLead: DMM_NOTIFY_LEAD
notifyBefore: DMM_NOTIFY_BEFORE
notifyDuring: DMM_NOTIFY_DURING
notifyAfter: DMM_NOTIFY_AFTER
lease: DMM_LEASE
allowUnsigned: DMM_ALLOW_UNSIGNED
lockWait: DMM_LOCK_WAIT
settle: DMM_SETTLE
output: DMM_OUTPUT
logFormat: DMM_LOG_FORMAT
logLevel: DMM_LOG_LEVEL
webhookFormat: DMM_WEBHOOK_FORMAT
pushgateway: DMM_PUSHGATEWAY
{{- end -}}

{{/* The modes that need a Domino or a store. */}}
{{- define "dmm.modes" -}}
- check
- snapshot
- shutdown
- restore
- status
- close
- report
- audit
- list
- show
- verify
- check-store
- prune
- import
- export
- rehearse
{{- end -}}
