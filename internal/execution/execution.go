// Package execution knows what runs in Domino: one Execution is one app, model
// API version, workspace, scheduled job, job or image build, and one Driver per Kind
// lists, reads, stops and starts the executions of that kind. A compute cluster belongs
// to the workspace or job that it was made for, comes and goes with it (docs-facts 1.9),
// and is no execution of its own.
//
// Two rules hold for every driver. What Domino shows may lag behind what it has
// accepted: a list only nominates, whoever decides something about an execution reads
// that one first, and knows how old a read may be. And a driver sends each call at most
// once: it says what Domino answered, and its caller decides what to do about it.
package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Kind is a kind of execution. The words are on record in snapshots and journals.
type Kind string

// The kinds.
const (
	App                Kind = "App"
	ModelAPI           Kind = "ModelAPI"
	Endpoint           Kind = "Endpoint"           // one version of a GenAI endpoint, 6.2 and later
	ExternalDeployment Kind = "ExternalDeployment" // a model deployed outside of Domino, 6.0 and later
	Workspace          Kind = "Workspace"
	ScheduledJob       Kind = "ScheduledJob"
	Job                Kind = "Job"   // one run of a command
	Build              Kind = "Build" // of an environment's revision
)

// Kinds lists every kind that has a driver, in the order in which people read them.
func Kinds() []Kind {
	return []Kind{App, ModelAPI, Endpoint, ExternalDeployment, Workspace, ScheduledJob, Job, Build}
}

// Serving reports whether executions of the kind answer production's requests: they go
// last, when all else is down, and come back first.
func (k Kind) Serving() bool { return k == ModelAPI || k == Endpoint || k == ExternalDeployment }

// Plural names n executions of the kind, for people: "1 app", "3 model API versions".
func (k Kind) Plural(n int) string {
	word := map[Kind]string{
		App: "app", ModelAPI: "model API version", Endpoint: "GenAI endpoint version", ExternalDeployment: "external deployment",
		Workspace: "workspace", ScheduledJob: "schedule", Job: "job", Build: "build",
	}[k]
	if word == "" {
		word = string(k)
	}
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// State is the one vocabulary into which Domino's five are folded.
type State string

// The states. A scheduled job "runs" while it is not paused.
const (
	Starting State = "starting"
	Running  State = "running"
	Stopping State = "stopping"
	Stopped  State = "stopped"
	Failed   State = "failed"
	Unknown  State = "unknown"
)

// Up reports whether an execution in this state counts as running in a snapshot:
// one that is starting does, since an upgrade would kill it as well.
func (s State) Up() bool { return s == Starting || s == Running }

// Down reports whether nothing of the execution runs any more.
func (s State) Down() bool { return s == Stopped || s == Failed }

// Project is the Domino project that an execution belongs to.
type Project struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Name  string `json:"name"`
}

// String is owner/name, as people and filters write it.
func (p Project) String() string {
	switch {
	case p.Name == "":
		return p.ID
	case p.Owner == "":
		return p.Name // as another tool has recorded it
	}
	return p.Owner + "/" + p.Name
}

// Execution is one thing that runs, or could run, in Domino. It is a line of a
// snapshot, so that its JSON names are a format others rely on.
type Execution struct {
	Kind    Kind    `json:"kind"`
	ID      string  `json:"id"`               // app, model API version, workspace, job or revision id; key of a schedule; "endpoint/number"
	Parent  string  `json:"parent,omitempty"` // the model of a model API version, the endpoint of an endpoint's, the environment of a build
	Name    string  `json:"name"`
	Project Project `json:"project"`
	Owner   string  `json:"owner,omitempty"` // whom it runs as
	// Owners are the others whose it is, such as further owners of a model API. Lines of versions of dmm that knew of none
	// lack them.
	Owners []string `json:"owners,omitempty"`
	Flow   string   `json:"flow,omitempty"` // the flow whose task a job is

	State       State     `json:"state"`
	DominoState string    `json:"dominoState"`        // Domino's own word, for people
	Instance    string    `json:"instance,omitempty"` // app instance or workspace session; a start makes a new one
	RunID       string    `json:"runId,omitempty"`    // its id among Domino's runs, as GET /v4/admin/executions shows it (api.md §3)
	Since       time.Time `json:"since,omitzero"`

	HardwareTier string `json:"hardwareTier,omitempty"` // id
	Environment  string `json:"environment,omitempty"`  // id
	Revision     string `json:"revision,omitempty"`     // id, of the environment; for a schedule the one that it is pinned to
	DataPlane    string `json:"dataPlane,omitempty"`    // id
	// Volumes are the external volumes that it has mounted, where Domino tells.
	Volumes []Mount `json:"volumes,omitempty"`

	// Pod: it was seen to run in a pod that is named after it. How pods are named is inferred (api.md §3), so that a pod is
	// missed only where there was one.
	Pod bool `json:"pod,omitempty"`

	// Restart holds the exact arguments that the kind's driver needs to start the
	// execution as it was. Only the driver knows their shape. Never a secret.
	Restart json.RawMessage `json:"restart,omitempty"`
	// Guesses says in sentences what in Restart Domino did not tell and dmm assumed.
	Guesses []string `json:"guesses,omitempty"`
}

// Mount is an external volume in an execution. It has no id where Domino gives a name only, as it does for a volume that
// is not registered any more (api.md §8).
type Mount struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

func mountsOf(volumes []domino.Mount) []Mount {
	var out []Mount
	for _, v := range volumes {
		out = append(out, Mount(v))
	}
	return out
}

// Key identifies an execution across kinds.
type Key struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

func (k Key) String() string { return string(k.Kind) + "/" + k.ID }

// Key returns the execution's identity.
func (e Execution) Key() Key { return Key{e.Kind, e.ID} }

// String names the execution for people: kind, project and name before the id.
func (e Execution) String() string {
	return fmt.Sprintf("%s %s %q (%s)", e.Kind, cmp.Or(e.Project.String(), "-"), e.Name, e.ID)
}

// Answer is what Domino said to a stop or start that it accepted.
type Answer struct {
	// Seen is the execution as the answer shows it, or a read after it that cannot be older.
	// When it is at the goal no further look is needed.
	Seen *Execution
	// Instance is the one that a start has made, empty where Domino does not tell.
	Instance string
}

// EndsIn reports whether now is the end of the very thing that e shows, which stays true however old the reading is: an
// instance of an app, a session and a job do not come up again, since another start makes another.
func (e Execution) EndsIn(now Execution) bool {
	return now.State.Down() && (e.Kind == Job || Classic(e) || e.Instance != "" && now.Instance == e.Instance)
}

// Driver lists, reads, stops and starts the executions of one kind.
type Driver interface {
	// List returns every execution of the kind that the caller can see, without
	// Restart. It may lag. A Listing may be short and then says so.
	List(ctx context.Context) Listing
	// Poll tells the states of as many executions as bulk calls can, by id. It may
	// lag, so that what it says must be confirmed by Read; what is missing from the
	// answer must be read, too.
	Poll(ctx context.Context) (map[string]State, error)
	// Read tells how e is, or was a while ago: State, DominoState and Instance. It may
	// lag as a list does. ErrGone when Domino does not know e any more, or not yet.
	Read(ctx context.Context, e Execution) (Execution, error)
	// Detail is Read and fills Restart, RunID and what else only single reads tell.
	Detail(ctx context.Context, e Execution) (Execution, error)
	// Stop asks Domino to stop e. force is for what did not stop when asked politely.
	// An *AlreadyError when Domino says that e does not run.
	Stop(ctx context.Context, e Execution, force bool) (Answer, error)
	// Start asks Domino to start e with the arguments in e.Restart.
	// An *AlreadyError when it runs, ErrNotOurs when only its owner may start it, a *LeaveError
	// when it must be left as it is.
	Start(ctx context.Context, e Execution) (Answer, error)
}

// Errors of drivers that are answers of Domino rather than failures.
var (
	ErrGone    = errors.New("no longer exists in Domino")
	ErrAlready = errors.New("is already so")
	ErrNotOurs = errors.New("only its owner may start it")
)

// AlreadyError says that an execution was seen where the call would have brought it, by one look: before the call,
// which was not sent then, or after Domino had refused it. It is ErrAlready.
type AlreadyError struct {
	Now     Execution
	Refusal error // nil: nothing was sent
}

func (e *AlreadyError) Error() string {
	text := fmt.Sprintf("%v (%s)", ErrAlready, e.Now.DominoState)
	if e.Refusal != nil {
		text += ": " + e.Refusal.Error()
	}
	return text
}

func (e *AlreadyError) Unwrap() []error { return []error{ErrAlready, e.Refusal} }

// LeaveError says why a start sent nothing, and why nobody should before a person has looked.
type LeaveError struct{ Reason string }

func (e *LeaveError) Error() string { return e.Reason }

// Comparer is a Driver whose calls rewrite the whole definition of an execution.
type Comparer interface {
	// Differences names what differs between the restart arguments of the two,
	// apart from whether it runs.
	Differences(before, now Execution) []string
}

// Problem is something that kept a listing from being whole or certain.
type Problem struct {
	Kind    Kind   `json:"kind,omitempty"`
	Subject string `json:"subject,omitempty"`
	Message string `json:"message"`
	// Incomplete: something that runs may be missing because of it.
	Incomplete bool `json:"incomplete"`
}

func (p Problem) String() string {
	var b strings.Builder
	for _, part := range []string{string(p.Kind), p.Subject} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	return b.String() + p.Message
}

// Listing is what a driver could see.
type Listing struct {
	Executions []Execution
	Problems   []Problem
}

// Complete reports whether nothing kept the listing from being whole.
func (l Listing) Complete() bool {
	for _, p := range l.Problems {
		if p.Incomplete {
			return false
		}
	}
	return true
}

func (l *Listing) problem(kind Kind, subject string, err error) {
	l.Problems = append(l.Problems, Problem{Kind: kind, Subject: subject, Message: err.Error(), Incomplete: true})
}

func (l *Listing) merge(m Listing) {
	l.Executions = append(l.Executions, m.Executions...)
	l.Problems = append(l.Problems, m.Problems...)
}
