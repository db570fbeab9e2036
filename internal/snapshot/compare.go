package snapshot

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// What a Change is about.
const (
	New     = "new"     // it was not there before
	Gone    = "gone"    // it is not there any more
	Started = "started" // it did not run before
	Stopped = "stopped" // it ran before
	Changed = "changed" // it is otherwise than before
)

// Change is one execution that is not what it was.
type Change struct {
	execution.Ref

	What   string   `json:"what"`
	Fields []string `json:"fields,omitempty"` // which changed
}

// Compare names what differs between two inventories. What runs, as another instance but as it was, is no difference.
func Compare(before, now []execution.Execution) []Change {
	old := make(map[execution.Key]execution.Execution, len(before))
	for _, e := range before {
		old[e.Key()] = e
	}
	var changes []Change
	add := func(e execution.Execution, what string, fields []string) {
		changes = append(changes, Change{execution.RefOf(e), what, fields})
	}
	for _, e := range now {
		was, known := old[e.Key()]
		delete(old, e.Key())
		switch fields := differences(was, e); {
		case !known:
			add(e, New, nil)
		case e.State.Up() && !was.State.Up():
			add(e, Started, nil) // what it ran with before was not on record
		case was.State.Up() && !e.State.Up():
			add(e, Stopped, nil)
		case len(fields) > 0:
			add(e, Changed, fields)
		}
	}
	var gone []execution.Execution
	for _, e := range old {
		gone = append(gone, e)
	}
	Sort(gone)
	for _, e := range gone {
		add(e, Gone, nil)
	}
	return changes
}

// differences are the fields in which two lines of one execution differ.
func differences(a, b execution.Execution) []string {
	var fields []string
	for _, f := range []struct {
		name     string
		was, now any
	}{
		{"name", a.Name, b.Name}, {"project", a.Project.String(), b.Project.String()}, {"owner", a.Owner, b.Owner},
		{"hardwareTier", a.HardwareTier, b.HardwareTier}, {"environment", a.Environment, b.Environment},
		{"revision", a.Revision, b.Revision}, {"dataPlane", a.DataPlane, b.DataPlane},
	} {
		if f.was != f.now {
			fields = append(fields, f.name)
		}
	}
	return append(fields, restartDifferences(a.Restart, b.Restart)...)
}

// restartDifferences are the keys in which restart arguments differ, of a schedule those of its definition. Which
// keys there are only the driver knows, and those that are told above already are left out.
func restartDifferences(a, b json.RawMessage) []string {
	if len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) {
		return nil // one of them did not run, or could not be read
	}
	was, now := keys(a), keys(b)
	told := []string{"hardwareTierId", "environmentId", "environmentRevisionId", "isPaused"}
	var fields []string
	for _, k := range slices.Sorted(maps.Keys(union(was, now))) {
		if !reflect.DeepEqual(was[k], now[k]) && !slices.Contains(told, k) {
			fields = append(fields, k)
		}
	}
	return fields
}

func keys(restart json.RawMessage) map[string]any {
	var m map[string]any
	if json.Unmarshal(restart, &m) != nil {
		return nil
	}
	if d, ok := m["definition"].(map[string]any); ok {
		return d
	}
	return m
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}
