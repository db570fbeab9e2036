package domino

import (
	"context"
	"errors"
)

// Person is a row of the list of users (api.md §5, common.Person). The pseudo-user of an organisation, which may own
// projects, is one too.
type Person struct {
	ID, Name        string // Name is the user name
	FullName, Email string // may be empty
}

type personWire struct {
	ID       id     `json:"id"`
	Name     string `json:"userName"`
	FullName string `json:"fullName"`
	Email    string `json:"email"`
}

func (w personWire) value() (Person, error) {
	if w.Name == "" {
		return Person{}, errors.New("it has no user name")
	}
	return Person{ID: string(w.ID), Name: w.Name, FullName: w.FullName, Email: w.Email}, nil
}

// Users lists the users, organisations among them (op listUsers, without listOnlyUsers; a bare array without pages; 5.5
// to 6.3). Whether it has those who are deactivated, and service accounts, is not known, nor what it shows to one
// who is no administrator.
func (c *Client) Users(ctx context.Context) ([]Person, []RowError, error) {
	return wholeList(ctx, c, newRequest("/v4/users"), "user", "", personWire.value)
}
