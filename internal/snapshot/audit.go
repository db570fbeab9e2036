package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/store"
)

// An audit leaves behind what it found and what ran then, to be compared with by the next:
//
//	audits/2026/09/20260922-190227-k3f9/executions.jsonl.zst   one execution a line, as in a snapshot
//	audits/2026/09/20260922-190227-k3f9/audit.txt              the result for people
//	audits/2026/09/20260922-190227-k3f9/audit.json             the result, written last

// AuditSchema names the format of audit.json. Others rely on it.
const AuditSchema = "dmm.audit/v1"

const (
	auditRoot = "audits/"
	auditName = "audit.json"
	auditText = "audit.txt"
)

// Audit is an audit on record.
type Audit struct {
	Schema string          `json:"schema"`
	ID     string          `json:"id"`
	Data   Data            `json:"data"`
	Result json.RawMessage `json:"result"` // as --output json has it
}

// WriteAudit puts an audit on record.
func WriteAudit(ctx context.Context, s store.Store, id string, result json.RawMessage, text []byte, executions []execution.Execution) error {
	fail := func(err error) error { return fmt.Errorf("write audit %s: %w", id, err) }
	data, err := encode(executions)
	if err != nil {
		return fail(err)
	}
	body, err := json.MarshalIndent(Audit{Schema: AuditSchema, ID: id, Data: dataOf(data, executions), Result: result}, "", "  ")
	if err != nil {
		return fail(err)
	}
	for _, o := range []struct {
		name string
		body []byte
	}{{dataName, data}, {auditText, text}, {auditName, append(body, '\n')}} {
		if err := s.Put(ctx, folderIn(auditRoot, id)+o.name, o.body, store.PutOptions{IfAbsent: true}); err != nil {
			return fail(err)
		}
	}
	return nil
}

// Audits lists all audits, unfinished ones too, oldest first.
func Audits(ctx context.Context, s store.Store) ([]Folder, error) {
	return foldersIn(ctx, s, auditRoot, auditName)
}

// LoadAudit reads an audit and what ran then. Errors: *DamagedError, or the store's.
func LoadAudit(ctx context.Context, s store.Store, id string) (Audit, []execution.Execution, error) {
	var a Audit
	body, err := store.ReadAll(ctx, s, folderIn(auditRoot, id)+auditName, maxManifest)
	if errors.Is(err, store.ErrForeign) {
		return a, nil, damaged(id, "%v", err)
	}
	if err != nil {
		return a, nil, fmt.Errorf("read audit %s: %w", id, err)
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, nil, damaged(id, "%s is not JSON: %v", auditName, err)
	}
	if a.Schema != AuditSchema || a.ID != id {
		return a, nil, damaged(id, "%s has schema %q and names %q, which this version of dmm does not know", auditName, a.Schema, a.ID)
	}
	data, err := store.ReadAll(ctx, s, folderIn(auditRoot, id)+dataName, maxData)
	if errors.Is(err, store.ErrNotFound) {
		return a, nil, damaged(id, "%s is missing", dataName)
	}
	if errors.Is(err, store.ErrForeign) {
		return a, nil, damaged(id, "%v", err)
	}
	if err != nil {
		return a, nil, fmt.Errorf("read audit %s: %w", id, err)
	}
	executions, err := parseLines(id, a.Data, data)
	return a, executions, err
}

// DeleteAudit deletes an audit, what makes it one first.
func DeleteAudit(ctx context.Context, s store.Store, f Folder) error {
	for _, key := range append([]string{folderIn(auditRoot, f.ID) + auditName}, f.Keys...) {
		if err := s.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete audit %s: %w", f.ID, err)
		}
	}
	return nil
}
