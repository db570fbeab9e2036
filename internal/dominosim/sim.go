package dominosim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Kinds of executions in the ledger. Launcher exists to be left alone.
const (
	KindApp          = "App"
	KindModelAPI     = "ModelAPI" // the id is the version's
	KindWorkspace    = "Workspace"
	KindScheduledJob = "ScheduledJob"
	KindLauncher     = "Launcher"           // modelProducts that are not apps
	KindJob          = "Job"                // the id is that of the first job of those that re-run each other
	KindBuild        = "Build"              // the id is the environment revision's
	KindEndpoint     = "Endpoint"           // the id is "endpoint/number"
	KindDeployment   = "ExternalDeployment" // a model outside of Domino
)

// A Sim is one simulated deployment. It is safe for concurrent use.
type Sim struct {
	cfg  Config
	born time.Time
	mux  *http.ServeMux
	gate gate

	mu       sync.Mutex
	profile  profile
	reported string // by GET /version; empty: the profile's
	rng      *rand.Rand
	ids      int
	agenda   agenda
	loads    map[string]*tierLoad
	faults   []*plannedFault
	shown    map[string]time.Time // per list or object, the moment it has shown last
	log      log

	users         []*user
	admin         *user
	keys          map[string]*user // further credentials
	projects      []*project
	environments  []*environment
	tiers         []*tier
	volumes       []*volume
	planes        []*plane // the local one first
	settings      []setting
	notifications []*Notification
	lost          map[string]bool // what has no pod though it runs
	strays        []Pod
	apps          objects[*app]
	models        objects[*model]
	versions      objects[*modelVersion]
	workspaces    objects[*workspace]
	schedules     objects[*schedule]
	jobs          objects[*job]
	classics      objects[*classic]
	revisions     objects[*revision]
	endpoints     objects[*genAIEndpoint]
	serving       objects[*served]
	sessions      map[string]*session
	instances     map[string]*run // app instances by id
	live          []*run          // runs that may not be over yet, for admin/executions
	rows          map[string][]*workspace
}

// New makes a deployment. It panics if c is not valid (Config.Validate).
func New(c Config) *Sim {
	if err := c.Validate(); err != nil {
		panic("dominosim: " + err.Error())
	}
	c = c.withDefaults()
	p, _ := profileNamed(c.Profile)
	s := &Sim{
		cfg: c, born: time.Now(), profile: p,
		rng:       rand.New(rand.NewPCG(c.Seed, 0x5d)),
		loads:     map[string]*tierLoad{},
		shown:     map[string]time.Time{},
		keys:      map[string]*user{},
		sessions:  map[string]*session{},
		instances: map[string]*run{},
		gate:      gate{limit: c.Capacity},
	}
	s.log.init()
	for _, f := range c.Faults {
		planned, _ := planFault(f)
		s.faults = append(s.faults, planned)
	}
	s.mux = newMux()
	s.generate()
	return s
}

// Profile is the name of the version that the deployment runs now.
func (s *Sim) Profile() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.profile.name
}

// SetVersion upgrades the deployment (or the reverse) and leaves everything else as it is.
// It panics if there is no such profile.
func (s *Sim) SetVersion(name string) {
	p, err := profileNamed(name)
	if err != nil {
		panic("dominosim: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.profile = p
}

// Report makes GET /version answer something else than the profile's version, which goes on to decide about the rest: a
// release that nobody knows yet. An empty version is the profile's again.
func (s *Sim) Report(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported = version
}

// locked runs f at this moment, with everything done that was due.
func (s *Sim) locked(f func(now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.agenda.catchUp(now)
	f(now)
}

// newID is 24 hex digits, as Mongo's are: a time, something random, a counter.
func (s *Sim) newID() string {
	s.ids++
	return fmt.Sprintf("%08x%010x%06x", 0x65a00000+s.ids/7, s.rng.Uint64()&0xffffffffff, s.ids)
}

func (s *Sim) newCommit() string {
	return fmt.Sprintf("%016x%016x%08x", s.rng.Uint64(), s.rng.Uint64(), s.rng.Uint32())
}

// drawn is a duration from 0 to limit, both included.
func (s *Sim) drawn(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(s.rng.Int64N(int64(limit) + 1))
}

// asOf is the moment that an answer of this list shows. One list never goes back unless the configuration
// wants it; two lists are independent of each other.
func (s *Sim) asOf(list string, now time.Time) time.Time { return s.late(list, now, s.cfg.ListLag) }

// seen is the moment that a read of one object shows, in the same way.
func (c *call) seen(object string) time.Time { return c.s.late("one "+object, c.now, c.s.cfg.ReadLag) }

func (s *Sim) late(what string, now time.Time, lag time.Duration) time.Time {
	if lag == 0 {
		return now
	}
	t := now.Add(-s.drawn(lag))
	if last, ok := s.shown[what]; ok && t.Before(last) && !s.cfg.LagGoesBack {
		return last
	}
	s.shown[what] = t
	return t
}

// objects keeps things by id and in the order they were made.
type objects[T any] struct {
	byID  map[string]T
	order []T
}

func (o *objects[T]) add(id string, v T) {
	if o.byID == nil {
		o.byID = map[string]T{}
	}
	o.byID[id] = v
	o.order = append(o.order, v)
}

func (o *objects[T]) rename(from, to string) {
	o.byID[to] = o.byID[from]
	delete(o.byID, from)
}
