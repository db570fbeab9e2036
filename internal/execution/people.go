package execution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/domino-maintenance-mode/dmm/internal/domino"
)

// Owner and Owners of an execution are user names, since filters name users so. Some of Domino's answers have ids in
// their place, and those of GenAI endpoints full names ("Full User Name" is the example of public.ModelEndpointUserV1,
// 6.2): the list of users tells what these are called.

// BelongsTo says whose an execution of the kind is, for people.
func (k Kind) BelongsTo() string {
	switch k {
	case App:
		return "its publisher; once dmm has started it again, the user whose key dmm has"
	case ModelAPI:
		return "all owners of the model, and whoever made the version"
	case Endpoint:
		return "whoever made the version, and whoever made the endpoint"
	case ExternalDeployment:
		return "its creator, and all collaborators whose role is OWNER"
	case Workspace:
		return "its owner"
	case ScheduledJob:
		return "the user as whom it runs"
	case Job:
		return "whoever started it"
	case Build:
		return "the owner of the environment"
	}
	return ""
}

// people is the catalogue of users.
type people struct {
	client *domino.Client
	turn   chan struct{} // full while somebody asks: others wait for that answer
	asked  bool
	all    []domino.Person
	err    error
}

func newPeople(c *domino.Client) *people { return &people{client: c, turn: make(chan struct{}, 1)} }

// list returns all users, which are asked for once. An error means that there may be more than it returns.
func (p *people) list(ctx context.Context) ([]domino.Person, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	if p.asked {
		return p.all, p.err
	}
	all, rows, err := p.client.Users(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == nil && len(rows) > 0:
		err = fmt.Errorf("%s: %w", rows[0].What, rows[0].Err)
	case err == nil && len(all) == 0:
		err = errors.New("the list of users is empty, though whoever asks is one")
	}
	p.asked, p.all, p.err = true, all, err
	return all, err
}

// again lets a list that failed be asked for once more.
func (p *people) again() {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.asked = p.asked && p.err == nil
}

// names returns user names by id.
func (p *people) names(ctx context.Context) (map[string]string, error) {
	all, err := p.list(ctx)
	byID := make(map[string]string, len(all))
	for _, one := range all {
		byID[one.ID] = one.Name
	}
	return byID, err
}

// userID is the form of a user's id (pattern of common.Person, 5.5 to 6.3).
var userID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// rename puts user names in place of the ids of owners.
func (p *people) rename(ctx context.Context, kind Kind, l *Listing) {
	var names map[string]string
	for i := range l.Executions {
		e := &l.Executions[i]
		owners := e.AllOwners()
		if !slices.ContainsFunc(owners, userID.MatchString) {
			continue
		}
		if names == nil {
			var err error
			if names, err = p.names(ctx); err != nil {
				l.unnamed(kind, err)
			}
		}
		for j, o := range owners {
			owners[j] = cmp.Or(names[o], o)
		}
		e.owned(owners...)
	}
}

// unnamed reports that some owners of a kind are not known by their user names. Nothing that runs is missing for that.
func (l *Listing) unnamed(kind Kind, err error) {
	l.Problems = append(l.Problems, Problem{
		Kind: kind, Subject: "owners",
		Message: fmt.Sprintf("some are known by an id or a full name alone, "+
			"by which filters do not find them: list the users: %v", err),
	})
}

// owned sets whose an execution is: the first of the names first.
func (e *Execution) owned(names ...string) {
	e.Owner, e.Owners = "", nil
	for _, n := range names {
		switch {
		case n == "" || anyOf(e.AllOwners(), []string{n}):
		case e.Owner == "":
			e.Owner = n
		default:
			e.Owners = append(e.Owners, n)
		}
	}
}

// keepOwners takes over what the list has told of owners and a single read does not.
func (e *Execution) keepOwners(listed Execution) {
	if listed.Owner != "" {
		e.Owner, e.Owners = listed.Owner, listed.Owners
	}
}

// AllOwners are the user names of all whose the execution is, as far as Domino names them.
func (e Execution) AllOwners() []string {
	if e.Owner == "" {
		return nil
	}
	return append([]string{e.Owner}, e.Owners...)
}

// called is what a user is called by the catalogue, else what Domino's answer has.
func called(names map[string]string, u domino.User) string {
	if name := names[u.ID]; name != "" {
		return name
	}
	return strings.TrimSpace(u.Name)
}
