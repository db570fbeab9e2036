package modes

import (
	"errors"
	"syscall"

	"github.com/domino-maintenance-mode/dmm/internal/crash"
	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/seal"
	"github.com/domino-maintenance-mode/dmm/internal/snapshot"
	"github.com/domino-maintenance-mode/dmm/internal/store"
	"github.com/domino-maintenance-mode/dmm/internal/store/file"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// Fault is what kind of end an error is. cmd/dmm gives each its exit code.
type Fault int

// The faults, from which no retry of the same Job helps except the first and the last.
const (
	FaultOther Fault = iota
	FaultUsage
	FaultRefused
	FaultNotFound
	FaultCredentials
	FaultDeadline
	FaultInterrupted
)

// Classify tells what kind of end an error is. "Could not look" is always FaultOther.
func Classify(err error) Fault {
	switch {
	case errors.As(err, new(*crash.Error)): // whatever else it led to
		return FaultOther
	case errors.Is(err, ErrInterrupted):
		return FaultInterrupted
	case errors.Is(err, ErrDeadline):
		return FaultDeadline
	case errors.As(err, new(*Refusal)), errors.As(err, new(*window.RefusedError)), errors.As(err, new(*window.LostError)),
		errors.As(err, new(*window.DamagedError)), errors.As(err, new(*snapshot.DamagedError)),
		errors.Is(err, store.ErrForeign):
		return FaultRefused
	case errors.As(err, new(*UsageError)), domino.IsCertificate(err):
		return FaultUsage
	case domino.KindOf(err) == domino.KindCredentials, domino.KindOf(err) == domino.KindForbidden:
		return FaultCredentials
	case errors.Is(err, snapshot.ErrNotFound), errors.Is(err, window.ErrNotFound):
		return FaultNotFound
	}
	return FaultOther
}

// NextStep says what to type, or do, after an error.
func NextStep(mode string, err error) string {
	var refusal *Refusal
	var usage *UsageError
	again := "dmm " + mode
	switch {
	case errors.As(err, new(*crash.Error)):
		return again + ", which goes on where this was; what is above is a defect of dmm: please report it"
	case errors.As(err, &refusal):
		return refusal.Next
	case errors.As(err, &usage):
		return usage.Next
	case errors.Is(err, window.ErrSuperseded):
		return "dmm status, to see how the run that took over is doing"
	case errors.Is(err, window.ErrBusy):
		return "dmm status; then wait for that run to end, and " + again
	case errors.Is(err, window.ErrUnsafe):
		return "set DMM_STORE to storage that can create an object only if it is absent"
	case errors.As(err, new(*window.LostError)):
		return "see to it that DMM_STORE still is the storage that it was, and put the objects back from its versions or backups; then " + again
	case errors.Is(err, seal.ErrUnsealed) && isDamaged(err):
		return "if nobody may write to the store but dmm, and this was written before there was a key: " + again + " --allow-unsigned"
	case errors.Is(err, seal.ErrForged) && isDamaged(err):
		return "see who may write to the store, and put the object back from its versions; if the key is another one than it was written under, set DMM_JOURNAL_KEY_FILE to that"
	case errors.As(err, new(*window.DamagedError)):
		return "put the object back from the bucket's versions or backups: nothing goes on without it, and nothing was touched; if it is lost, see \"A journal is lost\" in docs/runbook.md"
	case errors.As(err, new(*snapshot.DamagedError)) && mode != window.ModeRestore && mode != window.ModeShutdown && mode != "status":
		return "put the object back from the bucket's own versions or backups; dmm list shows the other snapshots"
	case errors.As(err, new(*snapshot.DamagedError)): // an open window needs it
		return "put the object back from the bucket's own versions or backups; or dmm close --reason '...' and bring back the rest by hand; nothing was touched"
	case errors.Is(err, store.ErrForeign):
		return "see in the store what stands there, and who put it there: dmm follows no link; then " + again
	case domino.IsCertificate(err):
		return "name the CA's certificate in DOMINO_CA_FILE"
	case Classify(err) == FaultCredentials:
		return "give an administrator's key or token, then " + again
	case errors.Is(err, window.ErrClosed) && mode == window.ModeShutdown:
		return "dmm snapshot, if another maintenance is to begin"
	case errors.Is(err, window.ErrClosed):
		return "dmm status"
	case errors.Is(err, snapshot.ErrNone) && mode == window.ModeShutdown:
		return "check DMM_STORE and its prefix; dmm snapshot makes a first snapshot"
	case errors.Is(err, snapshot.ErrNone): // no word of a snapshot: in mid-maintenance it would record what is down
		return "check DMM_STORE and its prefix: dmm list shows what is there"
	case errors.Is(err, snapshot.ErrNotFound):
		return "dmm list"
	case errors.Is(err, window.ErrNotFound):
		return "check DMM_STORE and its prefix; dmm list shows the windows that there are"
	case errors.Is(err, ErrInterrupted):
		return again
	case errors.Is(err, ErrDeadline):
		return again + ", with a longer DMM_DEADLINE"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room in the store, then " + again
	case errors.Is(err, file.ErrNoFolder):
		return "mount it, or name in DMM_STORE the folder that the records are in, then " + again
	case errors.Is(err, store.ErrDenied):
		return "check the rights of the store's credentials, then " + again
	case domino.KindOf(err) != 0:
		return "check DOMINO_HOSTNAME and that Domino is up, then " + again
	}
	return again
}
