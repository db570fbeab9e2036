package dominosim

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// What administrators look after, as Domino shows it: single tiers, environments and their revisions, volumes by claim,
// users, the central configuration. What they do to it, past dmm, are the exported functions at the end.

func (c *call) getTier() answer {
	t := c.s.tierOf(c.r.PathValue("hardwareTierId"))
	if t == nil || t.removed {
		return refusal(http.StatusNotFound, "Hardware tier "+c.r.PathValue("hardwareTierId")+" does not exist") // 404 is in the specification, the words are NOT EVIDENCED
	}
	return ok(t.dto(c.s.profile))
}

func (c *call) getRevisionDetails() answer {
	id := c.r.PathValue("environmentRevisionId")
	r := c.s.revisions.byID[id]
	if r == nil || r.environment.removed {
		return refusal(http.StatusNotFound, "Environment revision "+id+" does not exist") // NOT EVIDENCED
	}
	e, p := r.environment, c.s.profile
	environment := obj{
		"id": e.id, "description": "", "archived": e.archived, "name": e.name, "visibility": "Global", "supportedClusters": []string{}, "isCurated": false,
	}
	word := r.status.at(c.seen(id))
	details := obj{
		"id": id, "environmentId": e.id, "imageType": "DefaultImage", "isRestricted": false, "isBuilt": word == "Succeeded",
		"dockerArguments": []string{}, "shouldUseVPN": false, "buildEnvironmentVariables": []obj{},
	}
	if p.release.atLeast(v5_10) {
		details["environmentName"] = e.name
	}
	if p.release.atLeast(v6_1) {
		details["supportsPackagePersistence"] = false
	}
	return ok(obj{
		"environment": environment, "environmentRevision": details, "isLatestRevision": r == e.latest(c.now), "canRevertTo": true,
		"hasRunningBuild": building(word), "visibleEnvironments": obj{"activeEnvironmentRevisions": []obj{}, "defaultEnv": environment},
	})
}

// getVolume shows an unregistered volume as one. NOT EVIDENCED: 404 is as likely.
func (c *call) getVolume() answer {
	v := c.s.volumeOf(c.r.PathValue("datamountId"))
	if v == nil {
		return refusal(http.StatusNotFound, "Data mount "+c.r.PathValue("datamountId")+" does not exist")
	}
	if v.private && !c.caller.admin {
		return lacking("ViewDataMount")
	}
	return ok(v.dto(c.s))
}

// volumesByClaim finds unregistered ones too: that is what makes them show (INF, api.md §16).
func (c *call) volumesByClaim() answer {
	body, err := c.object()
	names, isList := body["pvcNames"].([]any)
	if err != nil || !isList {
		return invalidJSON("error.expected: pvcNames")
	}
	out := []obj{}
	for _, v := range c.s.volumes {
		if slices.Contains(names, any(v.claim())) {
			out = append(out, v.dto(c.s))
		}
	}
	return ok(out)
}

// listAccounts is the only list of users that tells who is active (api.md §5).
func (c *call) listAccounts() answer {
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	limit, bad := c.number("limit", 50)
	if bad != nil {
		return *bad
	}
	users := []obj{}
	for _, u := range page(c.s.users, offset, limit) {
		o := obj{
			"idpId": "idp-" + u.id, "id": u.id, "firstName": u.first, "lastName": u.last, "fullName": u.full(), "username": u.name,
			"email": u.name + "@example.com", "roles": u.allRoles(), "isActive": !u.deactivated, "isDominoEmployee": false,
			"licenseName": "", "createdAtTimestampMs": c.s.born.UnixMilli(), "metadata": obj{"isManagableByViewer": true},
		}
		if c.s.profile.release.atLeast(v6_1) {
			o["isSSO"] = false
		}
		users = append(users, o)
	}
	allowed := obj{}
	for _, k := range []string{
		"createUsers", "enableDisableUsers", "manageFeatureFlags", "markUnmarkUserAsDominoEmployee", "resetPasswords", "saveRoles",
		"viewExternalOrgs", "viewDataAnalystColumn",
	} {
		allowed[k] = true
	}
	return ok(obj{"users": users, "metadata": obj{"offset": offset, "limit": limit, "totalCount": len(c.s.users), "allowedActions": allowed}})
}

// listSettings is a list, where the specification declares one object (INF, api.md §17).
func (c *call) listSettings() answer {
	out := []obj{}
	for i, s := range c.s.settings {
		out = append(out, obj{"id": strconv.Itoa(i + 1), "setting": obj{"namespace": "common", "key": s.key, "value": s.value}})
	}
	return ok(out)
}

type setting struct{ key, value string }

// ArchiveTier archives a hardware tier.
func (s *Sim) ArchiveTier(id string) { s.locked(func(time.Time) { s.tierOf(id).archived = true }) }

// RemoveTier takes a hardware tier away.
func (s *Sim) RemoveTier(id string) { s.locked(func(time.Time) { s.tierOf(id).removed = true }) }

// ArchiveEnvironment archives an environment.
func (s *Sim) ArchiveEnvironment(id string) {
	s.locked(func(time.Time) { s.environmentOf(id).archived = true })
}

// RemoveEnvironment takes an environment away, and its revisions.
func (s *Sim) RemoveEnvironment(id string) {
	s.locked(func(time.Time) { s.environmentOf(id).removed = true })
}

// ReviseEnvironment makes a new revision the active one of an environment. The one before is kept or, with forget, taken
// away. built: it has an image.
func (s *Sim) ReviseEnvironment(id string, built, forget bool) {
	s.locked(func(now time.Time) {
		e := s.environmentOf(id)
		if forget {
			old := s.revisions.byID[e.revision]
			delete(s.revisions.byID, e.revision)
			e.revisions = slices.DeleteFunc(e.revisions, func(r *revision) bool { return r == old })
			s.revisions.order = slices.DeleteFunc(s.revisions.order, func(r *revision) bool { return r == old })
		}
		r := s.addRevision(e, now)
		word := "Failed"
		if built {
			word = "Succeeded"
		}
		r.status.set(now, word)
		e.revision, e.number = r.id, r.number
	})
}

// RestrictVolume leaves an external volume to one user.
func (s *Sim) RestrictVolume(id, userID string) {
	s.locked(func(time.Time) { v := s.volumeOf(id); v.private, v.users = true, []string{userID} })
}

// Deactivate locks a user out.
func (s *Sim) Deactivate(name string) {
	s.locked(func(time.Time) { s.userNamed(name).deactivated = true })
}

// SetRoles gives a user these roles and no other. Without Practitioner it starts no app (docs-facts §1.13).
func (s *Sim) SetRoles(name string, roles ...string) {
	s.locked(func(time.Time) { s.userNamed(name).roles = roles })
}

// OutdateDataPlane makes a data plane require an upgrade.
func (s *Sim) OutdateDataPlane(id string) {
	s.locked(func(time.Time) {
		s.planes[slices.IndexFunc(s.planes, func(p *plane) bool { return p.id == id })].outdated = true
	})
}

// Grant lets a user, who is no administrator, do these system operations.
func (s *Sim) Grant(name string, operations ...string) {
	s.locked(func(time.Time) {
		u := s.userNamed(name)
		u.operations = append(slices.Clip(u.operations), operations...)
	})
}

// Set puts a record into the central configuration.
func (s *Sim) Set(key, value string) {
	s.locked(func(time.Time) { s.settings = append(s.settings, setting{key, value}) })
}

// SetDataPlane gives a data plane a state: Healthy, Unhealthy, Error, Disconnected. One that is not there is added, and
// the hardware tier, if one is named, put on it.
func (s *Sim) SetDataPlane(id, name, state, tier string) {
	s.locked(func(time.Time) {
		i := slices.IndexFunc(s.planes, func(p *plane) bool { return p.id == id })
		if i < 0 {
			i = len(s.planes)
			s.planes = append(s.planes, &plane{id: id, name: name})
		}
		s.planes[i].state = state
		if tier != "" {
			s.tierOf(tier).plane = id
		}
	})
}
