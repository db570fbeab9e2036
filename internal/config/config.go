// Package config holds every setting of dmm.
//
// A setting is a field of [Config], and the tags of that field are all there is to say about it: its environment
// variable, its default, what it means, which modes it matters to. The environment, the command-line flags, the checks'
// messages and the reference in docs/ are made from those tags, so that they cannot tell different stories.
//
// # How a value is found
//
// A flag wins over the environment, the environment over the default. An empty value counts as not set, since a chart
// or a shell script that has nothing to say often says it by an empty string. The variable DMM_X_Y has the flag --x-y
// and DOMINO_X has --domino-x; the two that hold a key or a token have no flag, since flags are seen by everybody who
// can list processes.
//
// # How envconfig is used
//
// The tags `envconfig` and `default` are those of [github.com/kelseyhightower/envconfig], and it is what turns text into
// a value, from the environment and from flags alike. It is not let loose on the whole struct: it would read the
// process's environment only, stop at the first fault, take an empty value for a value, and print what it could not
// parse. [Load] therefore finds the text of each setting itself and has it decoded field by field (see decode). Names
// are given in full, without envconfig's prefix, because with one it falls back to the name without it: a variable
// called STORE must never be taken for DMM_STORE.
//
// # What is never printed
//
// A [Secret] cannot be printed by accident, and no fault quotes one. Other values are quoted, but for the parts of a URL
// that may hold a password.
package config

import (
	"strings"
	"time"
)

// Config is every setting of one run. The names of the variables are an API: charts and scripts set them.
// testdata/settings.golden holds them.
//
// The tags, apart from envconfig's own (envconfig, default): flag is the flag's name where it does not follow from the
// variable, "-" for none; values lists the only values allowed; group is a heading of the reference; modes says which modes the
// setting matters to; doc is its meaning, in which 'single quotes' enclose what is to be typed.
type Config struct {
	Mode     string        `envconfig:"DMM_MODE" flag:"-" group:"run" modes:"all" doc:"The mode to run when no argument names one: 'dmm snapshot' and DMM_MODE=snapshot are the same."`
	DryRun   bool          `envconfig:"DMM_DRY_RUN" default:"false" group:"run" modes:"snapshot, shutdown, restore, close, import, prune" doc:"Make the plan, check it, print it, and change nothing."`
	Deadline time.Duration `envconfig:"DMM_DEADLINE" default:"0" group:"run" modes:"shutdown, restore" doc:"Stop after this long, in a state from which the same command goes on. 0 means no limit. Set it below the activeDeadlineSeconds of a Job, which kills without asking."`
	File     string        `envconfig:"DMM_FILE" group:"run" modes:"import" doc:"The file to import: a snapshot of the Python tool that dmm replaces. The mode takes it as its argument too: 'dmm import old.json'."`
	Reason   string        `envconfig:"DMM_REASON" group:"run" modes:"close" doc:"Why what is not back yet is given up. It is recorded in the window."`
	Window   string        `envconfig:"DMM_WINDOW" default:"latest" group:"run" modes:"report" doc:"The maintenance to report on: the number of a window, such as '17', or 'latest'. The mode takes it as its argument too: 'dmm report 17'."`
	Format   string        `envconfig:"DMM_FORMAT" default:"auto" values:"auto,text,json,html,dmm-json" group:"run" modes:"report, export" doc:"What is written to standard output: a report as 'text', 'json' or 'html', an export as 'dmm-json', the format of the Python tool's snapshots. 'auto' is a report as DMM_OUTPUT says, and an export as 'dmm-json'."`
	Yes      bool          `envconfig:"DMM_YES" default:"false" group:"run" modes:"restore, close, prune" doc:"Do what is asked about: 'restore --from-snapshot' starts what the snapshot shows, without a maintenance that stopped it, 'close' gives up what is down, and 'prune' deletes."`

	Intent     string `envconfig:"DMM_INTENT" group:"run" modes:"shutdown,restore" doc:"What the maintenance is for, in a word, such as the version that Domino is upgraded to. A restore with it says that this has been done. A shutdown with it does nothing after that, and refuses if the maintenance was called off. Both refuse a window that is for something else. For whatever runs a shutdown more often than it is meant, such as Argo CD at each sync."`
	Watch      bool   `envconfig:"DMM_WATCH" default:"false" group:"run" modes:"status" doc:"Go on telling how far the maintenance is, from the journal, until it is closed or the command is interrupted, which ends with 0."`
	RefuseOpen bool   `envconfig:"DMM_REFUSE_OPEN" default:"false" group:"run" modes:"status" doc:"End with 4 while a maintenance is open, for whatever must not happen during one. A store that cannot be read is a warning then and ends with 0: a store that is lost must not stand in the way of an uninstall."`

	Hostname    string `envconfig:"DOMINO_HOSTNAME" group:"domino" modes:"that call Domino" doc:"URL of the deployment with its scheme, such as 'https://domino.example.com'. Required by modes that call Domino."`
	APIKey      Secret `envconfig:"DOMINO_API_KEY" flag:"-" group:"domino" modes:"that call Domino" doc:"An administrator's API key. Give exactly one of DOMINO_API_KEY, DOMINO_API_KEY_FILE, DOMINO_TOKEN and DOMINO_TOKEN_FILE."`
	APIKeyFile  string `envconfig:"DOMINO_API_KEY_FILE" group:"domino" modes:"that call Domino" doc:"A file that holds such a key and nothing else. It is read again when it changes."`
	Token       Secret `envconfig:"DOMINO_TOKEN" flag:"-" group:"domino" modes:"that call Domino" doc:"A service account's token, without the word Bearer."`
	TokenFile   string `envconfig:"DOMINO_TOKEN_FILE" group:"domino" modes:"that call Domino" doc:"A file that holds such a token and nothing else. It is read again when it changes."`
	CAFile      string `envconfig:"DOMINO_CA_FILE" group:"domino" modes:"that call Domino or keep records" doc:"A file of PEM certificates, trusted in addition to the system's, for Domino and for the store."`
	SSLNoVerify bool   `envconfig:"DOMINO_SSL_NO_VERIFY" default:"false" group:"domino" modes:"that call Domino" doc:"Accept any certificate from Domino. Whoever stands in between can then read the key: a last resort, and DOMINO_CA_FILE is the better one."`

	Store       string `envconfig:"DMM_STORE" group:"store" modes:"that keep records" doc:"Where snapshots and windows are kept: 's3://bucket/prefix', 'azblob://container/prefix', 'gs://bucket/prefix', 'file:///path', 'domino', which is where the deployment keeps its backups, below 'domino-maintenance-mode/', or 'mem:', which forgets everything when the process ends. Required by modes that keep records, and to be the same for all steps of a maintenance: the lock lives there too."`
	S3Endpoint  string `envconfig:"DMM_S3_ENDPOINT" group:"store" modes:"that keep records" doc:"URL of an S3 service other than Amazon's, such as 'https://minio.example.com:9000'."`
	S3Region    string `envconfig:"DMM_S3_REGION" group:"store" modes:"that keep records" doc:"The bucket's region, when the surroundings (AWS_REGION, profile) do not say it."`
	S3PathStyle string `envconfig:"DMM_S3_PATH_STYLE" default:"auto" values:"auto,true,false" group:"store" modes:"that keep records" doc:"Whether the bucket is named in the path of a URL rather than in its host. 'auto' does so when an endpoint is given."`
	S3KMSKeyID  string `envconfig:"DMM_S3_KMS_KEY_ID" group:"store" modes:"that keep records" doc:"The KMS key that objects are encrypted with on the server. Without one the bucket's own default holds."`

	AzureAccount  string `envconfig:"DMM_AZURE_ACCOUNT" group:"store" modes:"that keep records" doc:"The storage account that the container is in, when the surroundings (AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_CONNECTION_STRING) do not say it."`
	AzureEndpoint string `envconfig:"DMM_AZURE_ENDPOINT" group:"store" modes:"that keep records" doc:"The suffix of an Azure cloud other than the public one, such as 'core.usgovcloudapi.net', or the URL of the account's blob service, such as 'https://account.blob.core.windows.net'."`
	GCSEndpoint   string `envconfig:"DMM_GCS_ENDPOINT" group:"store" modes:"that keep records" doc:"URL of a Google Cloud Storage service other than the public one, such as that of a private endpoint."`
	DominoFile    string `envconfig:"DMM_DOMINO_FILE" group:"store" modes:"that keep records" doc:"With DMM_STORE=domino, a file that holds the Domino resource or 'domino.yml', to be read instead of asking the cluster."`

	Kubernetes        string   `envconfig:"DMM_KUBERNETES" default:"auto" values:"auto,true,false" group:"cluster" modes:"that call Domino or keep records" doc:"Whether to look at the cluster: 'auto' does where dmm runs in a pod with a service account's token. 'true' also takes the cluster that KUBECONFIG names, which 'auto' does not, since it may be another one than Domino's."`
	ComputeNamespaces []string `envconfig:"DMM_COMPUTE_NAMESPACES" default:"domino-compute" group:"cluster" modes:"that call Domino" doc:"The namespaces in which Domino runs executions of its local data plane."`
	OperatorNamespace string   `envconfig:"DMM_OPERATOR_NAMESPACE" default:"domino-operator" group:"cluster" modes:"that keep records" doc:"The namespace of the Domino resource, which is read only with DMM_STORE=domino."`

	Keep       int           `envconfig:"DMM_KEEP" default:"10" group:"store" modes:"prune" doc:"Prune keeps so many of the newest complete snapshots, windows and audits, whatever their age."`
	KeepWithin time.Duration `envconfig:"DMM_KEEP_WITHIN" default:"90d" group:"store" modes:"prune" doc:"Prune keeps what is younger than this, however much there is."`

	Snapshot          string        `envconfig:"DMM_SNAPSHOT" group:"touch" modes:"shutdown, show, verify, export, rehearse" doc:"The snapshot to work from: an id such as '20260922-190227-k3f9', or 'latest', the newest one, complete or not, which is also meant when it is not set; 'verify' checks all then. A snapshot serves one maintenance: shutdown refuses that of one that is over. The modes other than shutdown take it as their argument too. Restore uses the one that its window has pinned."`
	SnapshotMaxAge    time.Duration `envconfig:"DMM_SNAPSHOT_MAX_AGE" default:"1h" group:"touch" modes:"shutdown" doc:"Shutdown does not open a window with a snapshot older than this. One that goes on with an open window does not ask again."`
	AllowIncomplete   bool          `envconfig:"DMM_ALLOW_INCOMPLETE" default:"false" group:"touch" modes:"shutdown" doc:"Shut down from a snapshot that could not see everything. What it lacks may be neither stopped nor brought back."`
	AllowUnknown      bool          `envconfig:"DMM_ALLOW_UNKNOWN_VERSION" default:"false" group:"touch" modes:"shutdown" doc:"Shut down a Domino of a major version that dmm does not know, as if it were the newest that it knows. Snapshots, audits and restores do so anyway."`
	Kinds             []string      `envconfig:"DMM_KINDS" values:"App,ModelAPI,Endpoint,ExternalDeployment,Workspace,ScheduledJob,Job,Build" group:"touch" modes:"shutdown, restore" doc:"Only executions of these kinds: 'App', 'ModelAPI', 'Endpoint' (GenAI), 'ExternalDeployment', 'Workspace', 'ScheduledJob', 'Job', 'Build' (of an environment). All kinds if empty."`
	Projects          []string      `envconfig:"DMM_PROJECTS" group:"touch" modes:"shutdown, restore" doc:"Only executions of these projects, each as 'owner/name'. All projects if empty."`
	Owners            []string      `envconfig:"DMM_OWNERS" group:"touch" modes:"shutdown, restore" doc:"Only executions of these users. Everybody's if empty."`
	ExcludeProjects   []string      `envconfig:"DMM_EXCLUDE_PROJECTS" group:"touch" modes:"shutdown, restore" doc:"Not the executions of these projects, each as 'owner/name'."`
	ExcludeOwners     []string      `envconfig:"DMM_EXCLUDE_OWNERS" group:"touch" modes:"shutdown, restore" doc:"Not the executions of these users."`
	Exclude           []string      `envconfig:"DMM_EXCLUDE" group:"touch" modes:"shutdown, restore" doc:"Not these executions, by id."`
	RestoreFrom       string        `envconfig:"DMM_RESTORE_FROM" flag:"from-snapshot" group:"touch" modes:"restore" doc:"Restore from this snapshot without the maintenance it was taken for, as after a deployment was rebuilt: start what it shows running and what does not run now. Asks for DMM_YES."`
	GiveUp            bool          `envconfig:"DMM_GIVE_UP" default:"false" group:"touch" modes:"restore" doc:"Give up what fails to start, so that the window closes. It is listed, and recorded in the window."`
	AllowChanged      bool          `envconfig:"DMM_ALLOW_CHANGED_ARGUMENTS" default:"false" group:"touch" modes:"restore" doc:"Start what is on record with other arguments than Domino itself tells of it, such as another environment, volume or commit. Otherwise it is refused, since whoever may write to the store could choose what runs."`
	RunningJobs       string        `envconfig:"DMM_RUNNING_JOBS" default:"wait" values:"wait,stop,discard,ignore" group:"touch" modes:"shutdown" doc:"What becomes of jobs that run: 'wait' for their end, and report what still runs after DMM_GRACE_PERIOD (exit 3); 'stop' them and save their results; 'discard' their results; 'ignore' them. Jobs of a flow are waited for and never stopped, since that would end the whole flow. Pinned when the window opens."`
	External          string        `envconfig:"DMM_EXTERNAL_DEPLOYMENTS" default:"ignore" values:"ignore,stop" group:"touch" modes:"shutdown" doc:"What becomes of external deployments: 'ignore' them, since they run outside of Domino's cluster, where no upgrade reaches them, or 'stop' them, which deletes their endpoints (of SageMaker, for one); a start makes others. Pinned when the window opens."`
	RunningBuilds     string        `envconfig:"DMM_RUNNING_BUILDS" default:"wait" values:"wait,cancel,ignore" group:"touch" modes:"shutdown" doc:"What becomes of environments' image builds: 'wait' as for jobs, 'cancel' them (Domino 5.9 and later; before, they are waited for), or 'ignore' them. Pinned when the window opens."`
	RestoreWorkspaces bool          `envconfig:"DMM_RESTORE_WORKSPACES" default:"false" group:"touch" modes:"restore" doc:"Start workspaces again too. Otherwise they are left to their owners, and the report says so."`
	RerunJobs         bool          `envconfig:"DMM_RERUN_JOBS" default:"false" group:"touch" modes:"restore" doc:"Run the jobs again that this maintenance has stopped, from their beginning and as the caller. Otherwise they are left to their owners."`
	Rebuild           bool          `envconfig:"DMM_REBUILD" default:"false" group:"touch" modes:"restore" doc:"Queue the builds again that this maintenance has cancelled (Domino 5.10 and later). Otherwise they are left to their owners."`

	Concurrency      int           `envconfig:"DMM_CONCURRENCY" default:"16" group:"pace" modes:"that call Domino" doc:"The most requests to Domino under way at once. It goes below this by itself while Domino is slow."`
	StartConcurrency int           `envconfig:"DMM_START_CONCURRENCY" default:"50" group:"pace" modes:"restore" doc:"The most executions that are starting at once, so that the cluster can scale up and quotas do not run out. One that is not up after a quarter of the grace period gives its place to the next."`
	GracePeriod      time.Duration `envconfig:"DMM_GRACE_PERIOD" default:"10m" group:"pace" modes:"shutdown, restore" doc:"How long the step waits, after its last call was sent, for executions to come to rest or to run."`
	MaxFailures      int           `envconfig:"DMM_MAX_FAILURES" default:"5" group:"pace" modes:"shutdown, restore" doc:"How often one execution is tried before it is reported as failed. The others go on."`
	WaitReady        time.Duration `envconfig:"DMM_WAIT_READY" default:"0" group:"pace" modes:"restore" doc:"How long to wait for Domino to answer at all, as after an upgrade. 0 means not to wait."`

	Notify       bool          `envconfig:"DMM_NOTIFY" default:"false" group:"notify" modes:"shutdown, restore" doc:"Tell users by notifications in Domino: when shutdown begins, and when restore has closed the window. That they cannot be told is a warning and stops nothing."`
	NotifyLead   time.Duration `envconfig:"DMM_NOTIFY_LEAD" default:"0" group:"notify" modes:"shutdown" doc:"Tell users so long before anything is stopped, and wait. Snapshots may get older meanwhile: what is started until then is found and stopped too. 0 means not to wait."`
	NotifyBefore string        `envconfig:"DMM_NOTIFY_BEFORE" default:"Domino goes into maintenance at {{.At}}. What runs then will be stopped: save your work. Apps, model APIs and schedules are started again afterwards." group:"notify" modes:"shutdown" doc:"What users are told before, as a Go template. The first sentence is the title. '{{.At}}' is when the maintenance begins, '{{.Window}}' its number."`
	NotifyDuring string        `envconfig:"DMM_NOTIFY_DURING" default:"Domino is in maintenance since {{.At}}. Please start nothing until it is over: it would be stopped." group:"notify" modes:"shutdown" doc:"What users are told while it lasts. It is withdrawn when restore has closed the window."`
	NotifyAfter  string        `envconfig:"DMM_NOTIFY_AFTER" default:"The maintenance of Domino is over. What was stopped has been started again, but for what only its owner starts, such as workspaces." group:"notify" modes:"restore" doc:"What users are told afterwards, for a day. An empty value is not possible: to tell nothing, leave DMM_NOTIFY out of restore."`

	Lease          time.Duration `envconfig:"DMM_LEASE" default:"60s" group:"journal" modes:"shutdown, restore, close" doc:"How long the journal must be silent before another run takes this one for dead. Pinned when the window opens. Under 30s only with a 'file:' or 'mem:' store, for tests."`
	JournalKeyFile string        `envconfig:"DMM_JOURNAL_KEY_FILE" group:"journal" modes:"all" doc:"A file with a secret of 32 bytes or more, under which journals and snapshots are written. What has no valid code is then damage: whoever may write to the store can forge none (SECURITY.md says what is left to such a writer). The chart makes the key at its first installation."`
	AllowUnsigned  bool          `envconfig:"DMM_ALLOW_UNSIGNED" default:"false" group:"journal" modes:"all" doc:"Take records without a valid code: those from before there was a key, and all if the key is lost. Whoever may write to the store then says what is stopped and started."`
	LockWait       time.Duration `envconfig:"DMM_LOCK_WAIT" default:"2m" group:"journal" modes:"shutdown, restore, close" doc:"How long to wait for another run that is at work before giving up."`
	Settle         time.Duration `envconfig:"DMM_SETTLE" default:"80s" group:"journal" modes:"shutdown, restore" doc:"How long an execution is left alone when it is not known whether a call for it took effect. Under 80s only with a 'file:' or 'mem:' store, for tests: the longest call, its late effect and the lag of what Domino shows take that long together."`

	Output    string `envconfig:"DMM_OUTPUT" default:"text" values:"text,json" group:"output" modes:"all" doc:"How the result is written to standard output: 'text' or 'json'."`
	LogFormat string `envconfig:"DMM_LOG_FORMAT" default:"auto" values:"auto,text,json" group:"output" modes:"all" doc:"How the log is written to standard error: 'text', 'json', or 'auto', which is text on a terminal and JSON elsewhere."`
	LogLevel  string `envconfig:"DMM_LOG_LEVEL" default:"info" values:"debug,info,warn,error" group:"output" modes:"all" doc:"The least important messages that are logged: 'debug', 'info', 'warn' or 'error'."`

	WebhookURL    Secret `envconfig:"DMM_WEBHOOK_URL" flag:"-" group:"output" modes:"shutdown, restore, close" doc:"A URL that is told when a run begins and how it ended. It is a secret. What cannot be told is a warning."`
	WebhookFormat string `envconfig:"DMM_WEBHOOK_FORMAT" default:"slack" values:"slack,json" group:"output" modes:"shutdown, restore, close" doc:"What the webhook is sent: 'slack' for an object with a text, as Slack, Mattermost and Google Chat take it, or 'json' for one with event, mode, code, domino, window, message and at."`
	Pushgateway   string `envconfig:"DMM_PUSHGATEWAY" group:"output" modes:"snapshot, shutdown, restore, close" doc:"URL of a Prometheus Pushgateway that gets the metrics as well. They are in the store as metrics/dmm.prom in any case. They are pushed as job 'dmm', instance the host of Domino's URL."`

	Listen    string `envconfig:"DMM_LISTEN" default:"127.0.0.1:8080" group:"simulate" modes:"simulate" doc:"The address on which the simulator serves, as 'host:port'. Port 0 takes a free one. The simulator guards nothing, hence the default of this machine only."`
	Profile   string `envconfig:"DMM_PROFILE" default:"6.1" values:"4.4,5.5,5.7,5.9,5.10,5.11,6.0,6.1,6.2,6.3" group:"simulate" modes:"simulate" doc:"The version of Domino that is simulated, from '4.4' to '6.3'; '4.4', '5.7', '5.10' and '6.0' are inferred from their neighbours."`
	SimConfig string `envconfig:"DMM_SIM_CONFIG" flag:"config" group:"simulate" modes:"simulate, rehearse" doc:"A YAML file that says what the simulated deployment holds and how it misbehaves. Without one it holds a small example; a rehearsal takes its times and faults only."`
	Speed     int    `envconfig:"DMM_SPEED" default:"10" group:"simulate" modes:"rehearse" doc:"How many times faster than life a rehearsal is played. The faster, the less exact are its times."`
	FaultRate int    `envconfig:"DMM_FAULT_RATE" default:"0" group:"simulate" modes:"rehearse" doc:"Of every hundred executions, how many meet a fault in a rehearsal: a refused call, an answer that is lost, a Domino that is overloaded for a moment, a start that fails."`
}

// Needs is what a mode cannot do without. The zero value is for modes such as version, which use neither.
type Needs struct {
	Domino bool // the mode calls Domino: a URL and one credential
	Store  bool // the mode reads or writes records: a store
	// Argument is the variable that the mode's one argument sets, so that what a person types
	// behind the mode has a variable for a Job too. Empty: the mode takes no argument.
	Argument string
}

// ArgumentName is how help calls the mode's argument: SNAPSHOT for DMM_SNAPSHOT.
func (n Needs) ArgumentName() string { return strings.TrimPrefix(n.Argument, "DMM_") }

// ArgumentFlag is the name of the flag that the mode's argument stands for.
func (n Needs) ArgumentFlag() string { return strings.TrimPrefix(settingOf(n.Argument).Flag, "--") }
