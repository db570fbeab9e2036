package execution

import (
	"errors"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Fault says what the failure of a driver's call means for its execution.
type Fault int

const (
	// Refused: Domino said no in its own words, or the call could not be made. It may be tried again.
	Refused Fault = iota
	// Forbidden: Domino knows the caller and says no. Trying again is of no use.
	Forbidden
	// Unsent: the call surely was not carried out. It is a fault of the moment.
	Unsent
	// Lost: the call may or may not have taken effect, and may do so yet.
	Lost
)

// FaultOf tells what the failure of a call means. It is for errors of Stop and Start
// other than the answers ErrGone, ErrAlready and ErrNotOurs.
func FaultOf(err error) Fault {
	var e *domino.Error
	asked := errors.As(err, &e)
	switch {
	case asked && e.Lost():
		return Lost
	case errors.As(err, new(*UnsentError)), asked && e.NotSent():
		return Unsent
	case asked && e.Kind == domino.KindForbidden:
		return Forbidden
	}
	return Refused
}

// NoCredentials reports whether Domino does not accept the credentials any more, which
// is no one execution's fault.
func NoCredentials(err error) bool { return domino.KindOf(err) == domino.KindCredentials }
