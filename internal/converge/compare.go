package converge

import (
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/execution"
)

// changedPrefix begins the reason of a start that was refused for what it would send. It is on record.
const changedPrefix = "what is on record to start it with differs from what Domino says of it: "

// ChangedArguments is the reason for which a start is refused that would send what Domino tells otherwise.
func ChangedArguments(c execution.Comparison) string {
	return changedPrefix + c.Different() + "; DMM_ALLOW_CHANGED_ARGUMENTS=true starts it with the record's"
}

// RefusedAsChanged reports whether a start was refused for that reason.
func RefusedAsChanged(reason string) bool { return strings.HasPrefix(reason, changedPrefix) }

// Unlike says of a start what it sends that Domino tells otherwise, or does not tell.
func Unlike(c execution.Comparison) string {
	text := ""
	if len(c.Differs) > 0 {
		text = "it is started with what is on record, which differs from what Domino says of it: " + c.Different()
	}
	if len(c.Untold) > 0 {
		untold := strings.Join(c.Untold, ", ")
		text = also(text, "Domino does not tell its "+untold+", which could not be compared with what is on record")
	}
	return text
}
