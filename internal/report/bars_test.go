package report_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/domino-maintenance-mode/dmm/internal/report"
)

// A bar that is full above failures would be taken for a step that has succeeded.
func TestBarsCountNoFailureAsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		bars := report.NewBars(&out, func() int { return 100 })
		bars.Show("stopping", []report.Progress{{Name: "apps", Done: 3, Left: 1, Total: 4}, {Name: "jobs", Failed: 4, Total: 4}})
		bars.Close()
		shown := out.String()
		for _, want := range []string{"stopping: 3 of 8, 4 failed, 1 left after", " 75 %  3 of 4, 1 left", "  0 %  0 of 4, 4 failed"} {
			if !strings.Contains(shown, want) {
				t.Errorf("the bars lack %q:\n%s", want, shown)
			}
		}
		if strings.Contains(shown, "100 %") {
			t.Errorf("a bar is full:\n%s", shown)
		}
	})
}
