package domino

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Notification is what Domino shows to its users, all of them (api.md §17, notifications.CreateNotificationRequest). No public
// client is known to send any: the routes are those of the specification.
type Notification struct {
	ID             string // empty before it is sent
	Title, Message string
	Critical       bool
	Start, End     time.Time // when it is shown; zero: from now on, until it is expired. Domino keeps milliseconds.
}

type notificationWire struct {
	Notification struct {
		ID      id     `json:"id"`
		Title   string `json:"title"`
		Message string `json:"message"`
	} `json:"notification"`
	Timeframe *struct {
		Start timestamp `json:"start"`
	} `json:"timeframe"`
}

func (w notificationWire) value() (Notification, error) {
	n := Notification{ID: string(w.Notification.ID), Title: w.Notification.Title, Message: w.Notification.Message}
	if w.Timeframe != nil {
		n.Start = w.Timeframe.Start.Time
	}
	return n, needID(n.ID)
}

// Notify shows a notification to all users (op createAdminNotification). The id is empty if the answer does not tell it.
func (c *Client) Notify(ctx context.Context, n Notification) (id string, err error) {
	body := map[string]string{"title": n.Title, "message": n.Message, "priority": "Default"}
	if n.Critical {
		body["priority"] = "Critical"
	}
	for key, t := range map[string]time.Time{"start": n.Start, "end": n.End} {
		if !t.IsZero() {
			body[key] = t.UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	r := newRequest("/v4/admin/notifications")
	r.method = http.MethodPost
	if r.body, err = json.Marshal(body); err != nil {
		return "", err
	}
	answer, err := c.write(ctx, r)
	if err != nil {
		return "", err
	}
	var w notificationWire
	_ = json.Unmarshal(answer, &w) // it was accepted, whatever it says
	return string(w.Notification.ID), nil
}

// Notifications lists the notifications that are not expired (op displayAdminNotifications).
func (c *Client) Notifications(ctx context.Context) ([]Notification, []RowError, error) {
	const size = 50
	return paged(ctx, c, pages[notificationWire, Notification]{
		what: "notification", field: "notifications", value: notificationWire.value, id: func(n Notification) string { return n.ID },
		request: func(_, offset int) request {
			r := newRequest("/v4/admin/notifications")
			r.query = url.Values{"expired": {"false"}, "offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(size)}}
			return r
		},
		size: size,
	})
}

// ExpireNotification withdraws a notification (op updateAdminNotifications).
func (c *Client) ExpireNotification(ctx context.Context, id string) error {
	r := newRequest("/v4/admin/notifications/{}/expired", id)
	r.method, r.body = http.MethodPut, []byte(`{"expired":true}`)
	_, err := c.write(ctx, r)
	return err
}
