package dominosim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"sigs.k8s.io/yaml"
)

// DefaultAPIKey is the administrator's key when Config.APIKey is empty. Real keys are 64 hex digits (api.md §1).
const DefaultAPIKey = "51d0510051d0510051d0510051d0510051d0510051d0510051d0510051d05100"

// Config says what the simulated deployment is like. The zero value is a small deployment that answers
// and changes state at once, with every awkward row that a real one may have.
// In a file (LoadConfig) the keys are those of the json tags and durations are Go's: "40s", "1m30s".
type Config struct {
	Profile string `json:"profile"` // a name of Profiles; default 6.1
	Seed    uint64 `json:"seed"`    // decides ids, names, what runs, and every draw

	Latency     time.Duration `json:"latency"`     // of each request: half before its effect, half after
	Capacity    int           `json:"capacity"`    // requests served at once, more of them queue; 0: no limit
	StartTime   time.Duration `json:"startTime"`   // from an accepted start to Running
	StopTime    time.Duration `json:"stopTime"`    // from an accepted stop to Stopped (the one recorded model stop took 39.7 s, api.md §9)
	JobTime     time.Duration `json:"jobTime"`     // how long a job runs before it ends by itself; 0: for ever. Those of the beginning have a drawn part of it left
	BuildTime   time.Duration `json:"buildTime"`   // the same of a build
	ListLag     time.Duration `json:"listLag"`     // lists show the model as it was up to so long ago, drawn for each answer
	ReadLag     time.Duration `json:"readLag"`     // reads of one object do so, each by itself; answers to writes do not
	LagGoesBack bool          `json:"lagGoesBack"` // a list, or a read, may be older than the one given before
	LateLanding time.Duration `json:"lateLanding"` // a write whose client gave up may take effect up to so much later

	// StartCapacity and TierCapacity are how many executions of one hardware tier may start, and may
	// start or run, at once; the others stay Queued. 0: no limit. NOT EVIDENCED.
	StartCapacity int `json:"startCapacity"`
	TierCapacity  int `json:"tierCapacity"`

	APIKey string `json:"apiKey"` // the administrator's; DefaultAPIKey if both are empty
	Token  string `json:"token"`  // the administrator's bearer token

	// The system. With all counts zero a small default one is made. Awkward rows (below) come on top.
	Projects        int     `json:"projects"`
	Apps            int     `json:"apps"`
	Models          int     `json:"models"` // each with one to three versions
	Workspaces      int     `json:"workspaces"`
	Schedules       int     `json:"schedules"`
	Jobs            int     `json:"jobs"`            // running jobs
	FlowJobs        int     `json:"flowJobs"`        // running jobs that are tasks of one flow
	Builds          int     `json:"builds"`          // environments whose latest revision is being built
	Classics        int     `json:"classics"`        // running classic workspaces
	Endpoints       int     `json:"endpoints"`       // GenAI, each with one to three versions; 6.2+
	Deployments     int     `json:"deployments"`     // of models outside of Domino; 6.0+
	StoppedFraction float64 `json:"stoppedFraction"` // of each kind, stopped or paused from the beginning

	// Awkward behaviour. Nil is the default in brackets; Plain turns the default of all of them to what is
	// not awkward, so that the system has exactly the rows that were asked for.
	Plain                   bool  `json:"plain"`
	EmptyStopBody           *bool `json:"emptyStopBody"`           // [true] a workspace stop answers 200 without a body
	RepeatedRows            *bool `json:"repeatedRows"`            // [true] pages of adminDashboardRowData shift while they are read
	InvisibleProject        *bool `json:"invisibleProject"`        // [true] a workspace of an archived project that GET /v4/projects leaves out
	MissingOptionalFields   *bool `json:"missingOptionalFields"`   // [true] rows without what the schemas call optional, and other kinds in the lists
	AdminMayStartWorkspaces *bool `json:"adminMayStartWorkspaces"` // [true] false: 403 for anybody's but one's own. NOT EVIDENCED either way (api.md §10)
	ArrayAnswers            bool  `json:"arrayAnswers"`            // model calls answer the array of the spec instead of the object that was recorded
	UnreachableModels       int   `json:"unreachableModels"`       // model versions that show Unreachable; one if MissingOptionalFields
	StopOfStoppedStatus     int   `json:"stopOfStoppedStatus"`     // of a stopped app; 0: by profile

	// KeepEnvironment lets a start without environmentId take the environment of the app's run before, if there was one,
	// instead of the project's default. Which of them Domino does is unproven for all but the first start (api.md §8).
	KeepEnvironment bool `json:"keepEnvironment"`

	// StopOfStartingNeedsForce makes the stop of an app that has not come up a 500 without ?force=true.
	// NOT EVIDENCED; the parameter exists and nobody is known to have needed it.
	StopOfStartingNeedsForce bool `json:"stopOfStartingNeedsForce"`

	// RenumberInstances gives a run of an app another id before 6.1, where it is called a version of the app, than from then
	// on, so that an upgrade over 6.1 changes the ids of all. NOT EVIDENCED either way (api.md §8).
	RenumberInstances bool `json:"renumberInstances"`

	// StartReplaces makes the start of a running app end it and start another, instead of a 400, so that a
	// start which is sent twice shows. NOT EVIDENCED either way.
	StartReplaces bool `json:"startReplaces"`

	// StartActivates makes a version of a model the active one when it is started, as basic routing may, where the route points
	// to the version that was deployed last (docs-facts §1.7). NOT EVIDENCED either way (api.md §9).
	StartActivates bool `json:"startActivates"`

	Faults []Fault `json:"faults"`

	// Things are those of another deployment, in place of any that are made up.
	Things []Thing `json:"-"`

	// OnRequest is called when a request has arrived, before anything comes of it; n counts requests from 1.
	// OnAnswer is called when its effect has taken place and its answer is ready. An error breaks the connection
	// at that point. Both may be called concurrently, and may use the Sim.
	OnRequest func(n int, r *http.Request) error             `json:"-"`
	OnAnswer  func(n int, r *http.Request, status int) error `json:"-"`

	// OnExchange is told of each request with its body, and of the answer if there was one that no fault made up: else
	// status is 0. It is called concurrently, and must not keep the slices.
	OnExchange func(version string, r *http.Request, body []byte, status int, header http.Header, answer []byte) `json:"-"`
}

// Lagged is c with the lags that a client of Domino must survive: lists up to 40 s late and going back in
// time, writes that land up to 15 s after their client gave up.
func Lagged(c Config) Config {
	c.ListLag, c.LagGoesBack, c.LateLanding = 40*time.Second, true, 15*time.Second
	return c
}

// LaggedReads is c, lagged, whose reads of one object lag as its lists do.
func LaggedReads(c Config) Config {
	c = Lagged(c)
	c.ReadLag = c.ListLag
	return c
}

// LoadConfig reads a YAML file; what it does not set keeps its default.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read simulator configuration: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("read simulator configuration %s: %w", path, err)
	}
	return c, nil
}

// ParseConfig is LoadConfig for the bytes of a file. Unknown and repeated keys are refused.
func ParseConfig(data []byte) (Config, error) {
	var d document
	if err := yaml.UnmarshalStrict(data, &d); err != nil {
		return Config{}, err
	}
	c := d.Config
	c.Latency, c.StartTime, c.StopTime = time.Duration(d.Latency), time.Duration(d.StartTime), time.Duration(d.StopTime)
	c.ListLag, c.ReadLag, c.LateLanding = time.Duration(d.ListLag), time.Duration(d.ReadLag), time.Duration(d.LateLanding)
	c.JobTime, c.BuildTime = time.Duration(d.JobTime), time.Duration(d.BuildTime)
	c.Faults = nil
	for _, f := range d.Faults {
		f.Fault.Delay = time.Duration(f.Delay)
		c.Faults = append(c.Faults, f.Fault)
	}
	return c, c.Validate()
}

// A document is a Config as a file has it: the outer fields hide the inner ones of the same key.
type document struct {
	Config
	Latency     duration        `json:"latency"`
	StartTime   duration        `json:"startTime"`
	StopTime    duration        `json:"stopTime"`
	JobTime     duration        `json:"jobTime"`
	BuildTime   duration        `json:"buildTime"`
	ListLag     duration        `json:"listLag"`
	ReadLag     duration        `json:"readLag"`
	LateLanding duration        `json:"lateLanding"`
	Faults      []faultDocument `json:"faults"`
}

type faultDocument struct {
	Fault
	Delay duration `json:"delay"`
}

type duration time.Duration

func (d *duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("duration %s: want text such as \"40s\"", data)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("duration %q: want text such as \"40s\"", text)
	}
	*d = duration(v)
	return nil
}

// Validate names everything that is wrong with c at once.
func (c Config) Validate() error {
	var errs []error
	if c.Profile != "" {
		if _, err := profileNamed(c.Profile); err != nil {
			errs = append(errs, err)
		}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"latency", c.Latency}, {"startTime", c.StartTime}, {"stopTime", c.StopTime},
		{"jobTime", c.JobTime}, {"buildTime", c.BuildTime}, {"listLag", c.ListLag}, {"readLag", c.ReadLag},
		{"lateLanding", c.LateLanding},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s %v: want no less than 0", d.key, d.value))
		}
	}
	for _, n := range []struct {
		key   string
		value int
	}{
		{"capacity", c.Capacity}, {"startCapacity", c.StartCapacity}, {"tierCapacity", c.TierCapacity},
		{"projects", c.Projects}, {"apps", c.Apps}, {"models", c.Models}, {"workspaces", c.Workspaces},
		{"schedules", c.Schedules}, {"jobs", c.Jobs}, {"flowJobs", c.FlowJobs}, {"builds", c.Builds}, {"classics", c.Classics},
		{"endpoints", c.Endpoints}, {"deployments", c.Deployments}, {"unreachableModels", c.UnreachableModels},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("%s %d: want no less than 0", n.key, n.value))
		}
	}
	if c.StoppedFraction < 0 || c.StoppedFraction > 1 {
		errs = append(errs, fmt.Errorf("stoppedFraction %v: want 0 to 1", c.StoppedFraction))
	}
	for i, f := range c.Faults {
		if err := f.validate(); err != nil {
			errs = append(errs, fmt.Errorf("faults[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// withDefaults resolves everything that is left open.
func (c Config) withDefaults() Config {
	if c.Profile == "" {
		c.Profile = "6.1"
	}
	if c.APIKey == "" && c.Token == "" {
		c.APIKey = DefaultAPIKey
	}
	if c.Projects+c.Apps+c.Models+c.Workspaces+c.Schedules+c.Jobs+c.FlowJobs+c.Builds+c.Classics+c.Endpoints+c.Deployments+len(c.Things) == 0 {
		c.Projects, c.Apps, c.Models, c.Workspaces, c.Schedules = 6, 8, 5, 9, 6
	}
	if c.Projects == 0 && len(c.Things) == 0 {
		c.Projects = 1
	}
	awkward := func(p **bool) {
		if *p == nil {
			v := !c.Plain
			*p = &v
		}
	}
	awkward(&c.EmptyStopBody)
	awkward(&c.RepeatedRows)
	awkward(&c.InvisibleProject)
	awkward(&c.MissingOptionalFields)
	if c.AdminMayStartWorkspaces == nil {
		v := true
		c.AdminMayStartWorkspaces = &v
	}
	if c.UnreachableModels == 0 && *c.MissingOptionalFields {
		c.UnreachableModels = 1
	}
	return c
}
