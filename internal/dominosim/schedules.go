package dominosim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A schedule is a scheduled job: a definition with a history. Definitions are kept the way PUT has them, with
// mounts and flags at the top level, and are never changed once they are in the history.
type schedule struct {
	id         string
	project    *project
	created    time.Time
	definition history[obj]
	extra      obj // keys that GET shows and no schema has; a client must not be confused by them
}

// required and optional are the keys of UpdatedScheduledJobDTO in every version (api.md §12); scheduleKeys adds what
// some have. A PUT sets all of them: an optional key that it leaves out is gone, or at its zero. What the version does not
// know stays as an earlier one stored it.
var (
	scheduleRequired = []string{
		"title", "command", "schedule", "timezoneId", "isPaused", "allowConcurrentExecution", "hardwareTierIdentifier",
		"environmentRevisionSpec", "scheduledByUserId", "notifyOnCompleteEmailAddresses",
	}
	scheduleOptional = []string{
		"publishModelId", "overrideEnvironmentId", "datasetConfig", "computeClusterProperties", "volumeSpecificationOverride",
	}
)

func (p profile) scheduleKeys() []string {
	keys := slices.Concat(scheduleRequired, scheduleOptional)
	if p.publishAfterCompleted {
		keys = append(keys, "publishAfterCompleted")
	}
	if p.gitSchedules {
		keys = append(keys, "mainRepoGitRef", "snapshotDatasetsOnCompletion")
	}
	if p.dataConfig {
		keys = append(keys, "externalVolumeMounts")
	}
	if p.netApp {
		keys = append(keys, "netAppVolumeIds")
	}
	if p.netAppSnapshotFlag {
		keys = append(keys, "snapshotNetAppVolumesOnCompletion", "capacityType")
	}
	return keys
}

func (d *schedule) paused(t time.Time) bool {
	p, _ := d.definition.at(t)["isPaused"].(bool)
	return p
}

// dto nests under dataConfig what PUT takes at the top level (*), from 5.9 on.
func (d *schedule) dto(s *Sim, t time.Time) obj {
	def := d.definition.at(t)
	o := obj{"id": d.id, "created": iso(d.created), "projectId": d.project.id}
	nested := []string{"datasetConfig", "externalVolumeMounts", "netAppVolumeIds", "snapshotDatasetsOnCompletion", "snapshotNetAppVolumesOnCompletion"}
	known := s.profile.scheduleKeys()
	data := obj{"snapshotDatasetsOnCompletion": false, "externalVolumeMounts": []string{}}
	if s.profile.netApp {
		data["netAppVolumeIds"] = []string{}
	}
	if s.profile.netAppSnapshotFlag {
		data["snapshotNetAppVolumesOnCompletion"] = false
	}
	for k, v := range def {
		switch {
		case !slices.Contains(known, k):
		case s.profile.dataConfig && slices.Contains(nested, k):
			data[k] = v
		default:
			o[k] = v
		}
	}
	if s.profile.dataConfig {
		o["dataConfig"] = data
	} else if s.profile.gitSchedules && o["snapshotDatasetsOnCompletion"] == nil {
		o["snapshotDatasetsOnCompletion"] = false // required at the top in 5.7 alone
	}
	if cron, isObject := def["schedule"].(map[string]any); isObject {
		shown := maps.Clone(cron)
		shown["humanReadableCronString"] = "at " + text(cron["cronString"])
		o["schedule"] = shown
	}
	if tier := s.tierOf(text(def["hardwareTierIdentifier"])); tier != nil {
		o["hardwareTierName"] = tier.name
	} else {
		o["hardwareTierName"] = ""
	}
	o["scheduledByUserName"] = ""
	for _, u := range s.users {
		if u.id == def["scheduledByUserId"] {
			o["scheduledByUserName"] = u.name
		}
	}
	maps.Copy(o, d.extra)
	return o
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// run is the schedule as something that runs: its definition without isPaused.
func (d *schedule) run(t time.Time, by string) Run {
	def := maps.Clone(d.definition.at(t))
	delete(def, "isPaused")
	return Run{
		Key: Key{KindScheduledJob, d.id}, Environment: text(def["overrideEnvironmentId"]), HardwareTier: text(def["hardwareTierIdentifier"]),
		Volumes: texts(def["externalVolumeMounts"]), NetAppVolumes: texts(def["netAppVolumeIds"]), Definition: def, By: by, At: t,
	}
}

func texts(v any) []string {
	var out []string
	values, _ := v.([]any)
	for _, e := range values {
		out = append(out, text(e))
	}
	return out
}

// replace puts a definition in place of the one before and enters a start if that unpauses it.
func (s *Sim) replace(d *schedule, at time.Time, def obj, by string) {
	was := d.paused(at)
	d.definition.change(at, def)
	if was && !d.paused(at) {
		s.started(d.run(at, by))
	}
}

func (c *call) schedule() (*schedule, answer) {
	p, refused := c.project()
	if p == nil {
		return nil, refused
	}
	key := c.r.PathValue("scheduledJobKey")
	d := c.s.schedules.byID[key]
	if d == nil || d.project != p {
		return nil, noSchedule(key)
	}
	return d, answer{}
}

func noSchedule(key string) answer {
	return refusal(http.StatusNotFound, "Scheduled job "+key+" does not exist")
}

func (c *call) listSchedules() answer {
	p, refused := c.project()
	if p == nil {
		return refused
	}
	t := c.s.asOf("schedules "+p.id, c.now)
	out := []obj{}
	for _, d := range p.schedules {
		if !d.created.After(t) {
			out = append(out, d.dto(c.s, t))
		}
	}
	return ok(out)
}

func (c *call) getSchedule() answer {
	d, refused := c.schedule()
	if d == nil {
		return refused
	}
	t := c.seen(d.id)
	if d.created.After(t) {
		return noSchedule(d.id)
	}
	return ok(d.dto(c.s, t))
}

// putSchedule takes the whole definition. Keys that it does not know, a nested dataConfig among them, are accepted
// and ignored (CODE, api.md §12), so that sending a GET answer back loses mounts and flags (*).
func (c *call) putSchedule() answer {
	d, refused := c.schedule()
	if d == nil {
		return refused
	}
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	known := c.s.profile.scheduleKeys()
	c.open(KindScheduledJob, d.id, "put", body, unread(body, known))
	var missing []string
	required := scheduleRequired
	if c.s.profile.publishAfterCompleted {
		required = append(slices.Clone(required), "publishAfterCompleted")
	}
	for _, key := range required {
		if body[key] == nil {
			missing = append(missing, "/"+key+": error.path.missing")
		}
	}
	if _, isBool := body["isPaused"].(bool); !isBool && body["isPaused"] != nil {
		missing = append(missing, "/isPaused: error.expected.jsboolean")
	}
	if _, isObject := body["schedule"].(map[string]any); !isObject && body["schedule"] != nil {
		missing = append(missing, "/schedule: error.expected.jsobject")
	}
	if len(missing) > 0 {
		return invalidJSON(strings.Join(missing, "; "))
	}
	def := maps.Clone(d.definition.at(c.now))
	for _, key := range known {
		delete(def, key)
		if body[key] != nil {
			def[key] = body[key]
		}
	}
	cron := maps.Clone(body["schedule"].(map[string]any))
	delete(cron, "humanReadableCronString")
	def["schedule"] = cron
	// mainRepoGitRef.type "branch" is accepted and breaks the job when it runs (LIVE, api.md §22); the simulator
	// does not run schedules.
	if c.bent(FaultStopFails) || c.bent(FaultStartFails) {
		def["isPaused"] = d.paused(c.now)
	}
	c.s.replace(d, c.now, normal(def), c.caller.name)
	c.effect.Effect = true
	return ok(d.dto(c.s, c.now))
}

// normal is def as it comes from JSON, the same for what was generated and what was put.
func normal(def obj) obj {
	data, err := json.Marshal(def)
	if err != nil {
		panic("dominosim: definition: " + err.Error())
	}
	out := obj{}
	if err := json.Unmarshal(data, &out); err != nil {
		panic("dominosim: definition: " + err.Error())
	}
	return out
}
