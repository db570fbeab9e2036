package domino

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// id is an identifier: a string, or wrapped as {"value": "..."} (api.md §3). null and {} are the empty id.
type id string

func (i *id) UnmarshalJSON(b []byte) error {
	var s *string
	if json.Unmarshal(b, &s) == nil {
		*i = ""
		if s != nil {
			*i = id(*s)
		}
		return nil
	}
	var w struct {
		Value *string `json:"value"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return errors.New("an id is neither a string nor {\"value\": string}")
	}
	*i = ""
	if w.Value != nil {
		*i = id(*w.Value)
	}
	return nil
}

func ids(in []id) []string {
	if in == nil {
		return nil
	}
	out := make([]string, 0, len(in))
	for _, i := range in {
		if i != "" {
			out = append(out, string(i))
		}
	}
	return out
}

// needID refuses a row without an id: nothing could be done with it.
func needID(id string) error {
	if id == "" {
		return errors.New("it has no id")
	}
	return nil
}

// timestamp is a time in either of Domino's forms, epoch milliseconds or ISO-8601 (api.md §3). Times are shown to people
// and decide nothing, so a form that is not known is no time and no error.
type timestamp struct{ time.Time }

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"}

func (t *timestamp) UnmarshalJSON(b []byte) error {
	t.Time = time.Time{}
	s := strings.TrimSpace(string(b))
	var text string
	if json.Unmarshal(b, &text) == nil {
		s = text
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		// Beyond the year 9999 it is something else, nanoseconds perhaps.
		if ms > 0 && ms < 253_402_300_800_000 {
			t.Time = time.UnixMilli(ms).UTC()
		}
		return nil
	}
	for _, layout := range timeLayouts {
		if v, err := time.Parse(layout, s); err == nil {
			t.Time = v.UTC()
			return nil
		}
	}
	return nil
}

// integer is a number that may be written with a fraction of zero, as a JVM writes a double.
type integer int

func (n *integer) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("%s is not an integer", cut(clean(string(b)), 40))
	}
	*n = integer(f)
	return nil
}

// mounts converts the mounts of an execution. A mount with neither id nor name says nothing and is left out.
func mounts[W interface{ mount() Mount }](in []W) []Mount {
	var out []Mount
	for _, w := range in {
		if m := w.mount(); m != (Mount{}) {
			out = append(out, m)
		}
	}
	return out
}

// first is the first that is not empty.
func first[S ~string](all ...S) S {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// bareID reads the id that a start answers with: a JSON string (api.md §8), here also an object with an id. Empty if it is
// neither.
func bareID(answer []byte) string {
	var s id
	if json.Unmarshal(answer, &s) == nil && s != "" {
		return string(s)
	}
	var w struct {
		ID id `json:"id"`
	}
	if json.Unmarshal(answer, &w) == nil {
		return string(w.ID)
	}
	return ""
}
