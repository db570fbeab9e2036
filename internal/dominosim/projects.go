package dominosim

import "net/http"

func (p *project) summary(s *Sim) obj {
	o := obj{
		"id": p.id, "name": p.name, "description": "", "visibility": "Private", "ownerId": p.owner.id, "ownerUsername": p.owner.name,
		"importedGitRepositories": []obj{}, "collaboratorIds": []string{}, "collaborators": []obj{}, "tags": []obj{},
		"stageId": p.id[:23] + "f", "status": obj{"status": "active", "isBlocked": false},
	}
	if p.git {
		o["mainRepository"] = obj{
			"id": p.id[:23] + "e", "uri": "https://git.example.com/" + p.owner.name + "/" + p.name + ".git", "name": p.name,
			"defaultRef": obj{"type": "head"}, "serviceProvider": "github",
		}
	}
	if s.profile.release.atLeast(v5_11) {
		o["created"] = iso(p.created)
	}
	if s.profile.release.atLeast(v6_1) {
		o["projectType"] = "Analytic"
	}
	return o
}

// listProjects leaves archived projects out (INF, api.md §6): their executions have a project that is not here.
func (c *call) listProjects() answer {
	out := []obj{}
	name, owner := c.query.Get("name"), c.query.Get("ownerId")
	for _, p := range c.s.projects {
		if p.archived || !c.caller.sees(p) || name != "" && p.name != name || owner != "" && p.owner.id != owner {
			continue
		}
		out = append(out, p.summary(c.s))
	}
	return ok(out)
}

// getProject shows archived ones too. NOT EVIDENCED.
func (c *call) getProject() answer {
	p, a := c.project()
	if p == nil {
		return a
	}
	return ok(p.summary(c.s))
}

// project is the one that the path names.
func (c *call) project() (*project, answer) {
	p := c.s.projectOf(c.r.PathValue("projectId"))
	if p == nil {
		return nil, refusal(http.StatusNotFound, "Project with id "+c.r.PathValue("projectId")+" does not exist")
	}
	if !c.caller.sees(p) {
		return nil, lacking("ViewProject")
	}
	return p, answer{}
}

// dashboardEntries lists every project, archived ones too (api.md §6).
func (c *call) dashboardEntries() answer {
	offset, bad := c.number("offset", 0)
	if bad != nil {
		return *bad
	}
	size, bad := c.number("pageSize", 50)
	if bad != nil {
		return *bad
	}
	entries := []obj{}
	for _, p := range page(c.s.projects, offset, size) {
		entries = append(entries, obj{
			"projectId": p.id, "ownerUsername": p.owner.name, "ownerName": p.owner.full(), "name": p.name, "created": iso(p.created),
			"runs": 0, "totalRunTimeInHours": 0.0, "archived": p.archived,
		})
	}
	return ok(obj{"page": entries, "totalMatches": len(c.s.projects)})
}
