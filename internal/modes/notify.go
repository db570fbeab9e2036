package modes

import (
	"context"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
	"github.com/domino-maintenance-mode/dmm/internal/execution"
	"github.com/domino-maintenance-mode/dmm/internal/report"
	"github.com/domino-maintenance-mode/dmm/internal/window"
)

// afterShown is how long users are told that a maintenance is over. Nothing withdraws that: Domino ends it by itself.
const afterShown = 24 * time.Hour

// notices tells the users of Domino what goes on. What was told is in the journal, so that a Job that runs again tells
// nothing twice; a notification whose answer was lost is found again in Domino, by its title and start. That users cannot
// be told is a warning. An error is one of the journal, or of a context that has ended.
type notices struct {
	env     *Env
	res     *report.Result
	client  *domino.Client // may write while the run has its place
	run     *window.Run
	balance *window.Balance
}

func (e *Env) notices(at *scene, run *window.Run, b *window.Balance) *notices {
	return &notices{e, at.res, at.client.WithGate(run.Gate, run.CallTimeout()), run, b}
}

// shutdown tells users before and when it begins, and waits in between if it is to. A shutdown that has stopped something
// already is under way, whatever it had told.
func (n *notices) shutdown(ctx context.Context) error {
	c := n.env.Config
	if !c.Notify {
		return nil
	}
	begun := false
	for _, it := range n.balance.Items() {
		begun = begun || it.Stop.Intents > 0
	}
	if c.NotifyLead > 0 && !begun {
		begins, err := n.tell(ctx, window.NoticeBefore, c.NotifyBefore, c.NotifyLead)
		if err != nil {
			return err
		}
		for left := time.Until(begins); left > 0; left = time.Until(begins) {
			n.env.Log.Info("users have been told; waiting for the maintenance to begin", "at", begins.UTC().Format(time.RFC3339))
			if err := pause(ctx, min(left, time.Minute)); err != nil {
				return err
			}
		}
	}
	if _, err := n.tell(ctx, window.NoticeDuring, c.NotifyDuring, 0); err != nil {
		return err
	}
	return n.withdraw(ctx, window.NoticeBefore)
}

// restored withdraws what users were told, and tells them that it is over. What a shutdown has told is withdrawn whatever the
// settings of this run say.
func (n *notices) restored(ctx context.Context) error {
	if err := n.withdraw(ctx, window.NoticeBefore); err != nil {
		return err
	}
	if err := n.withdraw(ctx, window.NoticeDuring); err != nil {
		return err
	}
	if !n.env.Config.Notify {
		return nil
	}
	_, err := n.tell(ctx, window.NoticeAfter, n.env.Config.NotifyAfter, 0)
	return err
}

func (n *notices) notice(step string) *window.Notice {
	for _, known := range n.balance.Notices {
		if known.Step == step {
			return &known
		}
	}
	return nil
}

// tell shows users a text that was not shown yet. It returns the time that the text names: lead after it was first told.
func (n *notices) tell(ctx context.Context, step, text string, lead time.Duration) (at time.Time, err error) {
	known := n.notice(step)
	if known == nil {
		known = &window.Notice{Step: step, Start: time.Now().UTC().Truncate(time.Millisecond)}
	}
	at = known.Start.Add(lead)
	if known.ID != "" {
		return at, nil
	}
	var b strings.Builder
	t, err := template.New(step).Parse(text)
	if err == nil {
		err = t.Execute(&b, struct{ At, Window string }{at.UTC().Format("15:04 UTC on 2 January 2006"), n.run.Name()})
	}
	if err != nil {
		return at, n.warn(ctx, "tell users", err) // the settings were checked, so that this is no fault of theirs
	}
	title, message, _ := strings.Cut(strings.TrimSpace(b.String()), ". ")
	if known.Title != "" { // a run before this one was about to tell it, and perhaps did
		if sent, err := n.sent(ctx, *known); err != nil {
			return at, n.warn(ctx, "look whether users have been told", err)
		} else if len(sent) > 0 {
			known.ID = sent[0]
			return at, n.record(ctx, *known)
		}
	}
	known.Title = strings.TrimSuffix(title, ".")
	if err := n.record(ctx, *known); err != nil {
		return at, err
	}
	notification := domino.Notification{Title: known.Title, Message: message, Critical: step != window.NoticeAfter, Start: known.Start}
	if step == window.NoticeAfter {
		notification.End = known.Start.Add(afterShown)
	}
	id, err := n.client.Notify(ctx, notification)
	if err != nil {
		return at, n.warn(ctx, "tell users", err)
	}
	known.ID = id
	if id == "" {
		return at, nil // it is found by its title and start when it is to be withdrawn
	}
	return at, n.record(ctx, *known)
}

// withdraw expires what was told at a step, also what was told twice because an answer was lost.
func (n *notices) withdraw(ctx context.Context, step string) error {
	known := n.notice(step)
	if known == nil || known.Withdrawn {
		return nil
	}
	ids, err := n.sent(ctx, *known)
	if err != nil {
		if err := n.warn(ctx, "look for what users have been told", err); err != nil {
			return err
		}
		if known.ID == "" {
			return nil // perhaps it is there: the next run looks again
		}
	}
	if known.ID != "" {
		ids = append([]string{known.ID}, ids...)
	}
	done := map[string]bool{}
	for _, id := range ids {
		if done[id] {
			continue
		}
		done[id] = true
		err := n.client.ExpireNotification(ctx, id)
		for try := 1; execution.FaultOf(err) == execution.Lost && try < 3; try++ { // it may be said twice
			err = n.client.ExpireNotification(ctx, id)
		}
		if err != nil {
			return n.warn(ctx, fmt.Sprintf("withdraw the notification %q (%s), which must be done by hand", known.Title, id), err)
		}
	}
	known.Withdrawn = true
	return n.record(ctx, *known)
}

// sent are the ids of the notifications in Domino that are this one.
func (n *notices) sent(ctx context.Context, notice window.Notice) ([]string, error) {
	all, _, err := n.client.Notifications(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, one := range all {
		if one.Title == notice.Title && one.Start.Equal(notice.Start) {
			ids = append(ids, one.ID)
		}
	}
	return ids, nil
}

func (n *notices) record(ctx context.Context, notice window.Notice) error {
	return n.run.Append(ctx, window.Line{Event: window.Told, Notice: &notice})
}

// warn notes that users could not be told, and goes on unless the run must end.
func (n *notices) warn(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	n.env.Log.Warn("notification", "could not", what, "error", err)
	n.res.Note(fmt.Sprintf("dmm could not %s: %v", what, err))
	return nil
}
