package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// The file of the Python tool that dmm replaces (api.md §0, DMM) is one JSON object: for each of its four kinds the list
// of what ran. An entry has the tool's id, which is an object of its own for each kind, a name and an owner.
//
//	{"App": [{"_id": {"_id": "...", "hardwareTierId": "...", "projectId": "..."}, "name": "...", "owner": "..."}],
//	 "Model API Version": [{"_id": {"_id": "...", "modelId": "...", "isActive": true}, ...}],
//	 "Workspace": [{"_id": {"_id": "...", "projectId": "..."}, "name": "project/name", ...}],
//	 "Scheduled Job": [{"_id": {"key": "...", "projectId": "..."}, ...}]}
//
// It holds neither when nor of which deployment it was taken, nor what could not be listed.

// peerKinds are the names of the kinds in the order in which the tool writes them.
var peerKinds = []struct {
	name string
	kind execution.Kind
}{
	{"App", execution.App},
	{"Model API Version", execution.ModelAPI},
	{"Workspace", execution.Workspace},
	{"Scheduled Job", execution.ScheduledJob},
}

type peerEntry[ID any] struct {
	ID    ID     `json:"_id"`
	Name  string `json:"name"`
	Owner string `json:"owner"`
}

type (
	peerApp struct {
		ID           string `json:"_id"`
		HardwareTier string `json:"hardwareTierId"`
		Project      string `json:"projectId"`
	}
	peerVersion struct {
		ID     string `json:"_id"`
		Model  string `json:"modelId"`
		Active bool   `json:"isActive"`
	}
	peerWorkspace struct {
		ID      string `json:"_id"`
		Project string `json:"projectId"`
	}
	peerSchedule struct {
		Key     string `json:"key"`
		Project string `json:"projectId"`
	}
	// peerID is what any of them may have. Files from before the ids were objects have a text.
	peerID struct {
		ID           string `json:"_id"`
		Key          string `json:"key"`
		HardwareTier string `json:"hardwareTierId"`
		Project      string `json:"projectId"`
		Model        string `json:"modelId"`
		Active       *bool  `json:"isActive"`
	}
)

// peerState is the Domino state of what the tool listed: its file does not hold Domino's own.
const peerState = "listed as running"

// WritePeer writes what runs in the Python tool's format. Kinds that it does not know are left out.
func WritePeer(w io.Writer, executions []execution.Execution) error {
	lists := map[string][]any{}
	for _, k := range peerKinds {
		lists[k.name] = []any{}
		for _, e := range executions {
			if e.Kind == k.kind && e.State.Up() {
				lists[k.name] = append(lists[k.name], peerOf(e))
			}
		}
	}
	// The order of keys is the tool's own: it stops and starts in that of its code, but people compare files.
	var b bytes.Buffer
	for i, k := range peerKinds {
		fmt.Fprintf(&b, "%c%q: ", "{,,,"[i], k.name)
		list, err := json.Marshal(lists[k.name])
		if err != nil {
			return err
		}
		b.Write(list)
	}
	b.WriteString("}\n")
	_, err := w.Write(b.Bytes())
	return err
}

// versionName is how dmm and the tool name a version: "scorer v5" and "scorer #5".
var versionName = regexp.MustCompile(`^(?s)(.*) [v#](\d+)$`)

func peerOf(e execution.Execution) any {
	switch e.Kind {
	case execution.App:
		return peerEntry[peerApp]{peerApp{e.ID, e.HardwareTier, e.Project.ID}, e.Name, e.Owner}
	case execution.ModelAPI:
		return peerEntry[peerVersion]{peerVersion{e.ID, e.Parent, execution.ActiveVersion(e)}, versionName.ReplaceAllString(e.Name, "$1 #$2"), e.Owner}
	case execution.Workspace:
		return peerEntry[peerWorkspace]{peerWorkspace{e.ID, e.Project.ID}, e.Project.Name + "/" + e.Name, e.Owner}
	}
	return peerEntry[peerSchedule]{peerSchedule{e.ID, e.Project.ID}, e.Name, e.Owner}
}

// ReadPeer reads the Python tool's file: what it lists as executions that ran, and what in it cannot be used as
// problems. An error means that it is no such file.
func ReadPeer(data []byte) ([]execution.Execution, []execution.Problem, error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, nil, fmt.Errorf("it is not the JSON of a snapshot: %w", err)
	}
	if _, failures := file["modify"]; failures {
		return nil, nil, errors.New("it is a list of what the Python tool failed to stop or start, and no snapshot")
	}
	var executions []execution.Execution
	var problems []execution.Problem
	seen := map[execution.Key]bool{}
	known := 0
	for _, k := range peerKinds {
		raw, ok := file[k.name]
		if !ok {
			continue
		}
		delete(file, k.name)
		known++
		var entries []json.RawMessage
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, nil, fmt.Errorf("%s is not a list: %w", k.name, err)
		}
		for i, raw := range entries {
			e, err := readPeerEntry(k.kind, raw)
			if err != nil {
				problems = append(problems, execution.Problem{Kind: k.kind, Subject: fmt.Sprintf("entry %d", i+1), Message: err.Error(), Incomplete: true})
				continue
			}
			if !seen[e.Key()] { // pages that shift while they are read show a row twice
				seen[e.Key()] = true
				executions = append(executions, e)
			}
		}
	}
	if known == 0 {
		return nil, nil, errors.New("it holds none of the kinds that the Python tool's snapshots have")
	}
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if list := strings.TrimSpace(string(file[name])); list != "[]" && list != "null" {
			problems = append(problems, execution.Problem{Subject: name, Message: "executions of this kind are not imported", Incomplete: true})
		}
	}
	Sort(executions)
	return executions, problems, nil
}

func readPeerEntry(kind execution.Kind, raw json.RawMessage) (execution.Execution, error) {
	var entry peerEntry[json.RawMessage]
	if err := json.Unmarshal(raw, &entry); err != nil {
		return execution.Execution{}, err
	}
	var id peerID
	if json.Unmarshal(entry.ID, &id.ID) != nil {
		if err := json.Unmarshal(entry.ID, &id); err != nil {
			return execution.Execution{}, fmt.Errorf("its id: %w", err)
		}
	}
	e := execution.Execution{
		Kind: kind, ID: id.ID, Name: entry.Name, Owner: entry.Owner, Project: execution.Project{ID: id.Project},
		State: execution.Running, DominoState: peerState, HardwareTier: id.HardwareTier,
	}
	lacks := ""
	switch kind {
	case execution.ModelAPI:
		e.Parent, e.Name = id.Model, versionName.ReplaceAllString(entry.Name, "$1 v$2")
		e.Restart = execution.ModelRestart(id.Model, id.ID, id.Active == nil || *id.Active)
		if id.Model == "" {
			lacks = "the id of its model"
		}
	case execution.Workspace:
		if project, name, ok := strings.Cut(entry.Name, "/"); ok {
			e.Project.Name, e.Name = project, name // whose project it is, its id says
		}
	case execution.ScheduledJob:
		if id.Key != "" {
			e.ID = id.Key
		}
	}
	if id.Project == "" && (kind == execution.Workspace || kind == execution.ScheduledJob) {
		lacks = "the id of its project"
	}
	if e.ID == "" {
		lacks = "its id"
	}
	if lacks != "" {
		return e, fmt.Errorf("%q lacks %s", entry.Name, lacks)
	}
	return e, nil
}
