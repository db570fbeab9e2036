package domino

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ScheduledJob is a scheduled job (api.md §12, scheduledjob.ScheduledJobDto).
type ScheduledJob struct {
	ID, ProjectID, Title, HardwareTierID, EnvironmentID string

	EnvironmentRevisionID string   // empty: whichever revision is the active, the latest or the restricted one
	VolumeIDs             []string // external volumes that its runs mount

	ScheduledBy string // the user name as whom it runs, or the id if there is no name
	Paused      bool
	Definition  json.RawMessage // the whole object as Domino sent it
}

type scheduledJobWire struct {
	fields struct {
		ID              id          `json:"id"`
		ProjectID       id          `json:"projectId"`
		Title           string      `json:"title"`
		HardwareTierID  id          `json:"hardwareTierIdentifier"`
		EnvironmentID   id          `json:"overrideEnvironmentId"`
		ScheduledByName string      `json:"scheduledByUserName"`
		ScheduledByID   id          `json:"scheduledByUserId"`
		Paused          *bool       `json:"isPaused"`
		Revision        pinned      `json:"environmentRevisionSpec"`
		Volumes         anyIDs      `json:"externalVolumeMounts"` // at the top before 5.9, where it is at all (api.md §12)
		Data            mountConfig `json:"dataConfig"`
	}
	definition json.RawMessage
}

// anyIDs are ids for people to know. What is no list of ids costs the list and not the schedule.
type anyIDs []string

func (a *anyIDs) UnmarshalJSON(b []byte) error {
	var list []id
	*a = nil
	if json.Unmarshal(b, &list) == nil {
		*a = ids(list)
	}
	return nil
}

// mountConfig is the volumes of a dataConfig.
type mountConfig []string

func (m *mountConfig) UnmarshalJSON(b []byte) error {
	var w struct {
		Volumes anyIDs `json:"externalVolumeMounts"`
	}
	_ = json.Unmarshal(b, &w)
	*m = mountConfig(w.Volumes)
	return nil
}

// pinned is the revision that an EnvironmentRevisionSpec names: it is a word, or {"revisionId": id} (api.md §21).
type pinned string

func (p *pinned) UnmarshalJSON(b []byte) error {
	var w struct {
		ID id `json:"revisionId"`
	}
	_ = json.Unmarshal(b, &w) // a word pins none
	*p = pinned(w.ID)
	return nil
}

func (w *scheduledJobWire) UnmarshalJSON(b []byte) error {
	w.definition = bytes.Clone(b)
	return json.Unmarshal(b, &w.fields)
}

func (w scheduledJobWire) value() (ScheduledJob, error) {
	f := w.fields
	j := ScheduledJob{
		ID: string(f.ID), ProjectID: string(f.ProjectID), Title: f.Title, HardwareTierID: string(f.HardwareTierID),
		EnvironmentID: string(f.EnvironmentID), ScheduledBy: first(f.ScheduledByName, string(f.ScheduledByID)),
		Paused: f.Paused != nil && *f.Paused, Definition: w.definition,
		EnvironmentRevisionID: string(f.Revision), VolumeIDs: append(f.Volumes, f.Data...),
	}
	return j, needID(j.ID)
}

// ScheduledJobs lists the scheduled jobs of a project (op listScheduledJobs).
func (c *Client) ScheduledJobs(ctx context.Context, projectID string) ([]ScheduledJob, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/projects/{}/scheduledjobs", projectID), "scheduled job of project "+projectID, "", scheduledJobWire.value)
}

// ScheduledJob reads one scheduled job (op getScheduledJob).
func (c *Client) ScheduledJob(ctx context.Context, projectID, key string) (ScheduledJob, error) {
	return one(ctx, c, newRequest("/v4/projects/{}/scheduledjobs/{}", projectID, key), scheduledJobWire.value)
}

// PutScheduledJob replaces the definition of a scheduled job (op updateScheduledJob). definition is what [UpdateOf] makes:
// a definition as Domino sends it would lose its volumes and data settings.
func (c *Client) PutScheduledJob(ctx context.Context, projectID, key string, definition json.RawMessage) error {
	r := newRequest("/v4/projects/{}/scheduledjobs/{}", projectID, key)
	r.method, r.body = http.MethodPut, definition
	var o map[string]json.RawMessage
	if err := json.Unmarshal(definition, &o); err != nil || len(o) == 0 {
		r.err = errors.New("the definition is not a JSON object with fields")
	} else if _, ok := o["dataConfig"]; ok {
		r.err = errors.New("the definition is one that was read, not one to write: its dataConfig would be lost")
	}
	_, err := c.write(ctx, r)
	return err
}

// readOnlyFields are what Domino adds when it sends a definition and does not read in one (api.md §12, the two schemas of
// op getScheduledJob and op updateScheduledJob).
var readOnlyFields = []string{"id", "created", "projectId", "hardwareTierName", "scheduledByUserName"}

// readOnlyScheduleField is the same inside of schedule.
const readOnlyScheduleField = "humanReadableCronString"

// nestedFields are sent inside of dataConfig and read at the top level, from 5.9 on (api.md §12).
var nestedFields = []string{
	"datasetConfig", "snapshotDatasetsOnCompletion", "snapshotNetAppVolumesOnCompletion", "externalVolumeMounts", "netAppVolumeIds",
}

// UpdateOf makes of a definition that Domino sent the body of the PUT that changes only whether it is paused. What
// Domino nests in dataConfig is moved up to where it reads it, fields that it only sends are left out, and all others
// are kept as they are written, known or not.
func UpdateOf(definition json.RawMessage, paused bool) (json.RawMessage, error) {
	o, err := flatten(definition)
	if err != nil {
		return nil, fmt.Errorf("update schedule: %w", err)
	}
	o["isPaused"] = json.RawMessage("false")
	if paused {
		o["isPaused"] = json.RawMessage("true")
	}
	update, err := object(o)
	if err != nil {
		return nil, fmt.Errorf("update schedule: %w", err)
	}
	return update, nil
}

// flatten is a definition in the shape in which it is written.
func flatten(definition json.RawMessage) (map[string]json.RawMessage, error) {
	o, err := fieldsOf(definition)
	if err != nil {
		return nil, err
	}
	if raw, ok := o["dataConfig"]; ok && !isNull(raw) {
		nested, err := fieldsOf(raw)
		if err != nil {
			return nil, fmt.Errorf("dataConfig: %w", err)
		}
		for name, v := range nested {
			// A field that a later release puts there is taken to behave like its neighbours, unless the top level
			// has one of that name.
			if _, taken := o[name]; !taken || slices.Contains(nestedFields, name) {
				o[name] = v
			}
		}
	}
	delete(o, "dataConfig")
	for _, name := range readOnlyFields {
		delete(o, name)
	}
	if raw, ok := o["schedule"]; ok && !isNull(raw) {
		schedule, err := fieldsOf(raw)
		if err != nil {
			return nil, fmt.Errorf("schedule: %w", err)
		}
		if _, ok := schedule[readOnlyScheduleField]; ok {
			delete(schedule, readOnlyScheduleField)
			if o["schedule"], err = object(schedule); err != nil {
				return nil, fmt.Errorf("schedule: %w", err)
			}
		}
	}
	return o, nil
}

// fieldsOf splits a JSON object. Values stay as they are written.
func fieldsOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("it is null")
	}
	return o, nil
}

// object joins fields again, without rewriting < and > in their values as json.Marshal would.
func object(o map[string]json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// unorderedFields hold a set: Domino may give its members back in another order.
var unorderedFields = []string{"externalVolumeMounts", "netAppVolumeIds", "notifyOnCompleteEmailAddresses"}

// SameSchedule compares two definitions, as read or as written, and names the fields that differ, sorted, those inside
// of an object as "schedule.cronString". Whether it is paused and what Domino adds by itself do not count, nor does the
// order of keys, how a number is written, or whether a field is missing, null or an empty list.
func SameSchedule(a, b json.RawMessage) (diff []string) {
	x, errX := flatten(a)
	y, errY := flatten(b)
	if errX != nil || errY != nil {
		if bytes.Equal(a, b) {
			return nil
		}
		return []string{"(not a schedule)"}
	}
	delete(x, "isPaused")
	delete(y, "isPaused")
	names := maps.Clone(x)
	maps.Copy(names, y)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		v, w := decoded(x[name]), decoded(y[name])
		if slices.Contains(unorderedFields, name) {
			v, w = unordered(v), unordered(w)
		}
		diff = append(diff, difference(name, v, w)...)
	}
	return diff
}

// decoded is raw with its numbers kept as written. It is valid, since flatten has read it.
func decoded(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	_ = d.Decode(&v)
	return v
}

func unordered(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// difference names what differs between a and b, which are found at path.
func difference(path string, a, b any) []string {
	if absent(a) && absent(b) {
		return nil
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			var diff []string
			names := maps.Clone(x)
			maps.Copy(names, y)
			for _, name := range slices.Sorted(maps.Keys(names)) {
				diff = append(diff, difference(path+"."+name, x[name], y[name])...)
			}
			return diff
		}
	case []any:
		if y, ok := b.([]any); ok && len(x) == len(y) {
			for i := range x {
				if len(difference(path, x[i], y[i])) > 0 {
					return []string{path}
				}
			}
			return nil
		}
	case json.Number:
		if y, ok := b.(json.Number); ok && sameNumber(x, y) {
			return nil
		}
	default:
		if a == b {
			return nil
		}
	}
	return []string{path}
}

// absent reports whether v says no more than its field's absence would.
func absent(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

// sameNumber compares by value: 10 comes back as 10.0 where the server keeps a double.
func sameNumber(a, b json.Number) bool {
	digitsA, expA, okA := decimal(string(a))
	digitsB, expB, okB := decimal(string(b))
	return a == b || okA && okB && digitsA == digitsB && expA == expB
}

// decimal is the JSON number s as digits times a power of ten, the same for every way of writing it. It does no
// arithmetic on the digits, whose exponent may be huge.
func decimal(s string) (digits string, exp int, ok bool) {
	mantissa, power := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, power = s[:i], s[i+1:]
		var err error
		if exp, err = strconv.Atoi(power); err != nil || exp > math.MaxInt32 || exp < math.MinInt32 {
			return "", 0, false
		}
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	exp -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exp += len(digits) - len(trimmed)
	if trimmed == "" {
		return "0", 0, true
	}
	if negative {
		trimmed = "-" + trimmed
	}
	return trimmed, exp, true
}
