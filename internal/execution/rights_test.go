package execution_test

import (
	"strings"
	"testing"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

func TestRights(t *testing.T) {
	all := []string{execution.StepSnapshot, execution.StepShutdown, execution.StepRestore}
	for _, tt := range []struct {
		name  string
		p     domino.Principal
		steps []string
		want  []string // the operations that are named
	}{
		{"an administrator", domino.Principal{Admin: true}, all, nil},
		{"somebody", domino.Principal{Name: "ada"}, all, []string{"ListAllProjects", "StopRuns", "ActAsProjectAdmin", "ViewAdminDashboard", "ViewExecutors", "ViewUserList"}},
		{"somebody who restores", domino.Principal{Name: "ada"}, []string{execution.StepRestore}, []string{"ActAsProjectAdmin", "ViewUserList"}},
		{"an operator", domino.Principal{Operations: []string{"ListAllProjects", "ActAsProjectAdmin", "ViewAdminDashboard", "ViewExecutors", "ViewUserList"}}, all, []string{"StopRuns"}},
	} {
		var got []string
		for _, f := range execution.Rights(tt.p, nil, tt.steps...) {
			_, rest, _ := strings.Cut(f.Message, "the right ")
			operation, blocks, _ := strings.Cut(rest, ": it may not ")
			got = append(got, operation)
			if f.Code != execution.RightsMissing || blocks == "" || f.Remedy == "" {
				t.Errorf("%s: finding = %+v, want what it blocks and what to do", tt.name, f)
			}
		}
		wantEqual(t, tt.name, tt.want, got)
	}
}
