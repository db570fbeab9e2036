package dominosim

import (
	"cmp"
	"slices"
)

func (c *call) listTiers() answer {
	tiers := []obj{}
	for _, t := range c.s.tiers {
		if t.removed || t.archived && c.query.Get("show_archived") != "true" {
			continue
		}
		tiers = append(tiers, t.dto(c.s.profile))
	}
	if c.s.profile.tierArray {
		return ok(tiers)
	}
	out := obj{"hardwareTiers": tiers}
	if c.s.profile.nestedTiers {
		out["isDataAnalystEnabled"] = false
	}
	return ok(out)
}

// dto is flat before 5.10 and nested from there (api.md §15).
func (t *tier) dto(p profile) obj {
	o := obj{
		"id": t.id, "name": t.name, "centsPerMinute": 0.0, "creationTime": iso(t.created), "updateTime": iso(t.created),
		"nodePool": "default", "dataPlaneId": cmp.Or(t.plane, localDataPlane), "metadata": obj{},
		"podCustomization": obj{
			"additionalRequests": obj{}, "additionalLimits": obj{}, "additionalAnnotations": obj{}, "additionalLabels": obj{},
			"hugepages": obj{}, "capabilities": []string{},
		},
	}
	flags := obj{
		"isDefault": t.id == "small-k8s", "isVisible": true, "isGlobal": true, "isArchived": t.archived, "isFree": false,
		"isDataAnalystTier": false, "isAllowedDuringTrial": false,
	}
	if p.release.atLeast(v5_7) { // 5.9 has it and 5.5 has not
		flags["isModelApiTier"] = t.model
	}
	if p.nestedTiers {
		o["hwtFlags"] = flags
		o["hwtResources"] = obj{
			"cores": t.cores, "memory": obj{"value": t.memoryGiB, "unit": "GiB"}, "allowSharedMemoryToExceedDefault": false,
		}
		return o
	}
	for k, v := range flags {
		o[k] = v
	}
	o["cores"], o["memory"], o["allowSharedMemoryToExceedDefault"] = t.cores, t.memoryGiB, false
	return o
}

func (t *tier) overview() obj {
	return obj{"id": t.id, "cores": t.cores, "memoryInGiB": t.memoryGiB, "isArchived": t.archived}
}

func (d *plane) dto(p profile) obj {
	status := obj{"state": d.state, "message": ""}
	if p.release.atLeast(v5_9) {
		status["requiresUpgrade"] = d.outdated
	}
	if p.release.atLeast(v6_1) { // the interface of §16 and the files agree on 6.1
		status["agentVersion"], status["catalogVersion"], status["supportsUpgrade"] = p.version, p.version, false
	} else {
		status["version"] = p.version
	}
	o := obj{
		"id": d.id, "name": d.name, "namespace": "domino-compute", "isLocal": d.id == localDataPlane, "configuration": obj{},
		"status": status, "isHealthy": d.state == "Healthy", "isArchived": false, "isFileSyncDisabled": false,
	}
	if p.release.atLeast(v6_2) {
		o["isLocked"] = false
	}
	return o
}

func (c *call) listDataPlanes() answer {
	out := []obj{}
	for _, d := range c.s.planes {
		out = append(out, d.dto(c.s.profile))
	}
	return ok(out)
}

func (v *volume) dto(s *Sim) obj {
	projects, infos := []string{}, []obj{}
	for _, p := range s.projects {
		if slices.Contains(p.volumes, v) {
			projects = append(projects, p.id)
			infos = append(infos, obj{"projectId": p.id, "projectName": p.name, "projectOwnerUsername": p.owner.name, "isProjectArchived": p.archived})
		}
	}
	o := obj{
		"id": v.id, "name": v.name, "volumeType": "Nfs", "pvcName": v.claim(), "pvId": "pv-" + v.name, "mountPath": v.name,
		"users": list(v.users), "projects": projects, "readOnly": false, "isPublic": !v.private, "isRegistered": !v.unregistered,
		"status": "Bound", "dataPlanes": []obj{s.planes[0].dto(s.profile)},
	}
	if s.profile.release.atLeast(v5_9) { // 5.9 has it and 5.5 has not
		o["projectsInfo"] = infos
	}
	return o
}

// projectVolumes shows one that was unregistered too, with isRegistered false (INF, api.md §16).
func (c *call) projectVolumes() answer {
	p, a := c.project()
	if p == nil {
		return a
	}
	out := []obj{}
	for _, v := range p.volumes {
		out = append(out, v.dto(c.s))
	}
	return ok(out)
}

// allVolumes is for those who may register them (LIVE, api.md §16).
func (c *call) allVolumes() answer {
	if !c.caller.admin {
		return lacking("RegisterDataMounts")
	}
	out := []obj{}
	for _, v := range c.s.volumes {
		if !v.unregistered {
			out = append(out, v.dto(c.s))
		}
	}
	return ok(out)
}

// mount is how a volume appears inside an execution. An unregistered volume has a name and no id (INF, api.md §8).
func (s *Sim) mount(id string) obj {
	v := s.volumeOf(id)
	if v == nil {
		return obj{"name": id, "mount": obj{"mountPath": "/mnt/" + id, "readOnly": false}}
	}
	o := obj{"name": v.name, "mount": obj{"mountPath": "/mnt/" + v.name, "readOnly": false}}
	if !v.unregistered && s.profile.mountIDs {
		o["id"] = v.id
	}
	return o
}

func (s *Sim) mounts(ids []string) []obj {
	out := []obj{}
	for _, id := range ids {
		out = append(out, s.mount(id))
	}
	return out
}

// netAppMounts: 6.1 requires both mounts of a volume, 6.2 neither.
func netAppMounts(ids []string) []obj {
	out := []obj{}
	for _, id := range ids {
		out = append(out, obj{
			"volumeId": id, "volumeName": "netapp-" + id, "pvcName": "netapp-" + id + "-pvc",
			"volumeMount":   obj{"mountPath": "/mnt/netapp-volumes/" + id, "readOnly": false},
			"snapshotMount": obj{"mountPath": "/mnt/netapp-volumes/snapshots/" + id, "readOnly": true},
		})
	}
	return out
}
