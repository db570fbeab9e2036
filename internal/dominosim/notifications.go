package dominosim

import (
	"net/http"
	"strconv"
	"time"
)

// A Notification is what all users are shown (api.md §17; no public client is known to use it).
type Notification struct {
	ID, Title, Message, Priority string
	Start, End                   string
	Created                      time.Time
	Expired                      bool
}

func (n *Notification) dto() obj {
	frame := obj{}
	if n.Start != "" {
		frame["start"] = n.Start
	}
	if n.End != "" {
		frame["end"] = n.End
	}
	return obj{
		"notification": obj{
			"id": n.ID, "title": n.Title, "message": n.Message, "created": iso(n.Created), "priority": n.Priority,
			"origin": obj{"name": "Integration Admin", "initials": "IA"},
		},
		"timeframe": frame, "expired": n.Expired,
	}
}

func (c *call) notify() answer {
	body, err := c.object()
	title, priority := text(body["title"]), text(body["priority"])
	if err != nil || title == "" || priority != "Default" && priority != "Critical" {
		return invalidJSON("error.expected: title, priority")
	}
	n := &Notification{
		ID: c.s.newID(), Title: title, Message: text(body["message"]), Priority: priority,
		Start: text(body["start"]), End: text(body["end"]), Created: c.now,
	}
	c.s.notifications = append(c.s.notifications, n)
	return ok(n.dto())
}

// listNotifications lags like every list. NOT EVIDENCED.
func (c *call) listNotifications() answer {
	t := c.s.asOf("notifications", c.now)
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	limit, bad := c.number("limit", 50)
	if bad != nil {
		return *bad
	}
	var rows []*Notification
	for _, n := range c.s.notifications {
		if want := c.query.Get("expired"); !n.Created.After(t) && (want == "" || want == strconv.FormatBool(n.Expired)) {
			rows = append(rows, n)
		}
	}
	out := []obj{}
	for _, n := range page(rows, offset, limit) {
		out = append(out, n.dto())
	}
	return ok(obj{"pagination": obj{"offset": offset, "totalCount": len(rows)}, "notifications": out})
}

// expireNotification answers with no body (SPEC declares none).
func (c *call) expireNotification() answer {
	body, err := c.object()
	if err != nil {
		return invalidJSON(err.Error())
	}
	for _, n := range c.s.notifications {
		if n.ID == c.r.PathValue("id") {
			if expired, _ := body["expired"].(bool); expired {
				n.Expired = true
			}
			return done()
		}
	}
	return refusal(http.StatusNotFound, "Notification "+c.r.PathValue("id")+" does not exist") // NOT EVIDENCED
}

// Notifications are all that were ever made, oldest first.
func (s *Sim) Notifications() []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Notification
	for _, n := range s.notifications {
		out = append(out, *n)
	}
	return out
}
