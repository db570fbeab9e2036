package domino

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Version is a release of Domino.
type Version struct {
	Raw                 string // as Domino wrote it, build metadata included
	Major, Minor, Patch int
}

func (v Version) String() string { return v.Raw }

var leadingVersion = regexp.MustCompile(`^\s*v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?`)

// ParseVersion reads the leading x.y or x.y.z and ignores what follows, which may be build metadata (api.md §4).
func ParseVersion(s string) (Version, error) {
	m := leadingVersion.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("parse version %q: it does not begin with x.y", cut(clean(s), 40))
	}
	v := Version{Raw: s}
	v.Major, _ = strconv.Atoi(m[1]) // the pattern admits digits only, and few
	v.Minor, _ = strconv.Atoi(m[2])
	v.Patch, _ = strconv.Atoi(m[3])
	return v, nil
}

// Dialect is what a release of Domino understands. All that differs between releases stands here, so that no code
// elsewhere asks for a version. The zero Dialect is one not yet known.
type Dialect struct {
	Name         string // "6.1"
	Major, Minor int
	// Interpolated: no specification of this release was to be had, it is inferred from its neighbours.
	Interpolated bool

	// What POST /v4/modelProducts/{id}/start reads beside hardwareTierId and externalVolumeMountIds, and otherwise
	// silently ignores (api.md §8, op start).
	StartEnvironment bool // environmentId
	StartCommit      bool // commitId, mainRepoGitRef
	StartNetApp      bool // netAppVolumeIds
	StartBundle      bool // bundleId

	AppInstances bool // apps name their run latestAppInstanceId; before, latestAppVersionId (api.md §8, nucleus.ModelProduct)
	AppMounts    bool // app instances tell their real mounts (api.md §8, op getAppInstanceDetails)
	BetaApps     bool // /api/apps/beta (api.md §8b)

	ModelServing   bool // /api/modelServing/v1 (api.md §9b)
	Endpoints      bool // /api/gen-ai/beta (api.md §9c)
	Deployments    bool // /api/modelServing/v1/modelDeployments (api.md §9c)
	ModelDataPlane bool // models tell the data plane of their active version (api.md §9, modelmanager.Model)

	SessionMountIDs bool // mounts of a workspace session carry ids (api.md §10, workspace.DataMountSpecificationDto)
	SessionNetApp   bool // a session start reads netAppVolumeIds (api.md §10, op startWorkspaceSession)

	ScheduleDataConfig bool // a schedule is read with dataConfig nested and written with its values at the top (api.md §12)

	PagedExecutions bool // /v4/admin/executions is a paged object, not an array (api.md §13)
	CancelBuild     bool // the build of an environment's revision can be cancelled (api.md §14, op killRevisionBuild)
	ReadRevision    bool // one revision can be read, with the status of its build (api.md §14, op getEnvironmentRevisionOverview)
	Rebuild         bool // a revision can be built again (api.md §14, op rebuildEnvironmentRevision)
	ArchivedFlag    bool // dashboardEntries takes includeArchived (api.md §6, op getDashboardEntries)
}

// Known reports whether the release has been asked for.
func (d Dialect) Known() bool { return d.Name != "" }

// dialects is the table, oldest first. A release between two rows, or after the last, speaks the nearest lower one.
var dialects = func() []Dialect {
	// 4.4: the peer tool's README names it as its oldest, and nothing else is known of it (api.md §0). What 5.5 lacks,
	// it lacks.
	d := Dialect{Name: "4.4", Major: 4, Minor: 4, Interpolated: true}
	table := []Dialect{d}
	next := func(name string, major, minor int, change func(*Dialect)) {
		d.Name, d.Major, d.Minor, d.Interpolated = name, major, minor, false
		if change != nil {
			change(&d)
		}
		table = append(table, d)
	}
	// The oldest specification there is.
	next("5.5", 5, 5, nil)
	next("5.7", 5, 7, func(d *Dialect) {
		d.Interpolated = true
		d.StartEnvironment = true // environmentId?@5.7+ (§8, nucleus.StartParams)
		d.ModelDataPlane = true   // activeVersionDataPlaneId?@5.7+ (§9, modelmanager.Model)
	})
	next("5.9", 5, 9, func(d *Dialect) {
		d.SessionMountIDs = true    // id?@5.9+ (§10, workspace.DataMountSpecificationDto)
		d.ScheduleDataConfig = true // dataConfig@5.9+ (§12, scheduledjob.ScheduledJobDto)
		d.CancelBuild = true        // spec 5.9->6.3 (§14, op killRevisionBuild)
	})
	next("5.10", 5, 10, func(d *Dialect) {
		d.Interpolated = true
		d.ReadRevision = true // spec 5.10->6.3 (§14, op getEnvironmentRevisionOverview)
		d.Rebuild = true      // spec 5.10->6.3 (§14, op rebuildEnvironmentRevision)
	})
	next("5.11", 5, 11, func(d *Dialect) {
		d.ModelServing = true // spec 5.11->6.3 (§9b, op listModelApiVersions)
	})
	next("6.0", 6, 0, func(d *Dialect) {
		d.Interpolated = true
		d.PagedExecutions = true // <=5.11 bare array, 6.0+ object (§13, op getCurrentExecutions)
		d.Deployments = true     // spec 6.0->6.3 (§9c, op getModelDeployments)
	})
	next("6.1", 6, 1, func(d *Dialect) {
		d.StartCommit = true   // commitId?, mainRepoGitRef?@6.1+ (§8, nucleus.StartParams)
		d.StartNetApp = true   // netAppVolumeIds?@6.1+ (§8, nucleus.StartParams)
		d.AppInstances = true  // latestAppInstanceId?@6.1+, latestAppVersionId?@..6.0 (§8, nucleus.ModelProduct)
		d.AppMounts = true     // 6.1+ common.AppInstanceDetails, before it without mounts (§8)
		d.BetaApps = true      // spec 6.1->6.3 (§8b)
		d.SessionNetApp = true // netAppVolumeIds?@6.1+ (§10, op startWorkspaceSession)
	})
	next("6.2", 6, 2, func(d *Dialect) {
		d.StartBundle = true // bundleId?@6.2+ (§8, nucleus.StartParams)
		d.Endpoints = true   // spec 6.2->6.2, and the 6.3 copy is a trimmed one (§0, §9c, op getEndpoints)
	})
	next("6.3", 6, 3, func(d *Dialect) {
		d.ArchivedFlag = true // includeArchived?@6.3+ (§6, op getDashboardEntries)
	})
	return table
}()

// SameAppInstances reports whether two releases mean the same by the id of an app's run. What is no version is taken to
// differ, and so is a major version that dmm does not know from any other.
func SameAppInstances(a, b string) bool {
	va, errA := ParseVersion(a)
	vb, errB := ParseVersion(b)
	if errA != nil || errB != nil || va.Major != vb.Major && (!knownMajor(va) || !knownMajor(vb)) {
		return false
	}
	da, _ := dialectOf(va)
	db, _ := dialectOf(vb)
	return da.AppInstances == db.AppInstances
}

// knownMajor reports whether any release of v's major version is in the table.
func knownMajor(v Version) bool {
	return slices.ContainsFunc(dialects, func(d Dialect) bool { return d.Major == v.Major })
}

// dialectOf is the row for v, and a warning if it is not v's own.
func dialectOf(v Version) (Dialect, string) {
	i, found := slices.BinarySearchFunc(dialects, v, func(d Dialect, v Version) int {
		return cmp.Or(cmp.Compare(d.Major, v.Major), cmp.Compare(d.Minor, v.Minor))
	})
	if found {
		d := dialects[i]
		if d.Interpolated {
			return d, fmt.Sprintf("no specification of Domino %s was available to dmm: what it does is inferred from its neighbours", d.Name)
		}
		return d, ""
	}
	if i == 0 {
		return dialects[0], fmt.Sprintf("Domino %d.%d is older than anything dmm knows: it is treated as %s", v.Major, v.Minor, dialects[0].Name)
	}
	d := dialects[i-1]
	return d, fmt.Sprintf("dmm does not know Domino %d.%d: it is treated as %s", v.Major, v.Minor, d.Name)
}
