package dominosim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A profile is one row of what differs between Domino versions, as far as this simulator shows it.
// A new version is a new row; routes name the version that brought them (routes.go).
type profile struct {
	name    string
	release release
	version string // what GET /version says; newer ones carry build metadata (api.md §4)

	// interpolated: nobody has a specification of this version to hold it against. It has what the history of its
	// neighbours' schemas says (the marks @5.7+ and the like of api.md), and what 4.4 lacks beside 5.5 is a guess.
	interpolated bool

	instanceField         string // the modelProduct's key for its latest run (§8, nucleus.ModelProduct)
	instanceMounts        bool   // instance details name mounts (§8, common.AppInstanceDetails)
	startTakesEnvironment bool   // start reads environmentId, and apps name theirs (§8, nucleus.StartParams)
	startTakesCommit      bool   // start reads commitId and mainRepoGitRef (§8, nucleus.StartParams)
	netApp                bool   // NetApp volumes exist in start, sessions and schedules (§8, §10, §12)
	bundles               bool   // start reads bundleId (§8, nucleus.StartParams)
	stopOfStopped         int    // status of a stop when nothing runs: 500 old, 404 on 6.x (LIVE, §8, op stop)
	modelDataPlane        bool   // models name the data plane of their active version (§9, modelmanager.Model)
	unreachable           bool   // model versions may be Unreachable (its enumeration; 5.5 has no such word)
	ownerNames            bool   // model owners as {id,name}, as a real 5.x answered; {id,username,fullName} after (§9)
	mountIDs              bool   // mounts of a session carry ids (§10, workspace.DataMountSpecificationDto)
	sessionsNeedNetAppKey bool   // public sessions call wants both lists (live note on 6.x, §10)
	dataConfig            bool   // schedules nest mounts and flags on GET, and read mounts on PUT (§12, scheduledjob.ScheduledJobDto)
	publishAfterCompleted bool   // schedules have that flag, and a PUT must (§12: "5.5 requires it")
	gitSchedules          bool   // schedules have mainRepoGitRef and snapshotDatasetsOnCompletion (§12)
	netAppSnapshotFlag    bool   // schedules have snapshotNetAppVolumesOnCompletion and capacityType (§12)
	executionsPaged       bool   // admin/executions is an object with pages and no bare array (§13)
	tierArray             bool   // hardware tiers are a bare array (CODE, §22 item 18)
	nestedTiers           bool   // hardware tiers have hwtResources and hwtFlags (§15)
	faulty                bool   // RunStatus Faulty (§21)
}

type release struct{ major, minor int }

func (r release) atLeast(o release) bool {
	return r.major > o.major || r.major == o.major && r.minor >= o.minor
}

var (
	v5_5  = release{5, 5}
	v5_7  = release{5, 7}
	v5_9  = release{5, 9}
	v5_10 = release{5, 10}
	v5_11 = release{5, 11}
	v6_0  = release{6, 0}
	v6_1  = release{6, 1}
	v6_2  = release{6, 2}
)

// profiles is the table, oldest first: each row is the one before with what the version changed. It is its own on
// purpose, and shares nothing with the client's (internal/domino): where the two tables disagree, a test fails.
var profiles = func() []profile {
	var table []profile
	p := profile{
		instanceField: "latestAppVersionId", // @..6.0 (§8)
		stopOfStopped: http.StatusInternalServerError,
		ownerNames:    true, // the recorded answer is a 5.x one; that 4.4 gave the same is a guess
	}
	add := func(version string, change func()) {
		major, rest, _ := strings.Cut(version, ".")
		minor, _, _ := strings.Cut(rest, ".")
		p.name, p.version, p.interpolated = major+"."+minor, version, false
		p.release.major, _ = strconv.Atoi(major)
		p.release.minor, _ = strconv.Atoi(minor)
		change()
		table = append(table, p)
	}
	add("4.4.0", func() {
		p.interpolated = true // no specification before 5.5.2 (§0): it is 5.5 but for the tiers
		p.tierArray, p.publishAfterCompleted = true, true
	})
	add("5.5.2", func() { p.tierArray = false })
	add("5.7.0", func() {
		p.interpolated = true
		p.startTakesEnvironment = true  // environmentId?@5.7+
		p.modelDataPlane = true         // activeVersionDataPlaneId?@5.7+
		p.publishAfterCompleted = false // @..5.5
		p.gitSchedules = true           // mainRepoGitRef?@5.7+, snapshotDatasetsOnCompletion@5.7+
	})
	add("5.9.1", func() {
		p.unreachable = true // in the file of 5.9 and not in that of 5.5
		p.mountIDs = true    // id?@5.9+
		p.dataConfig = true  // dataConfig@5.9+, externalVolumeMounts?@5.9+
	})
	add("5.10.1", func() {
		p.interpolated = true
		p.nestedTiers = true // 5.10 (§22 item 18)
	})
	add("5.11.1", func() {})
	add("6.0.1", func() {
		p.interpolated = true
		p.executionsPaged = true // object 6.0+ (§13)
		p.stopOfStopped = http.StatusNotFound
		p.ownerNames = false
	})
	add("6.1.0", func() {
		p.instanceField, p.instanceMounts = "latestAppInstanceId", true // @6.1+ (§8)
		p.startTakesCommit, p.netApp, p.sessionsNeedNetAppKey = true, true, true
	})
	add("6.2.0-230116", func() {
		p.bundles, p.faulty, p.netAppSnapshotFlag = true, true, true // bundleId?@6.2+ (§8), Faulty (§21), §12
	})
	add("6.3.0-251031", func() {})
	return table
}()

// knows reports whether a version has executions of a kind (api.md §9c).
func (p profile) knows(kind string) bool {
	switch kind {
	case KindEndpoint:
		return p.release.atLeast(v6_2)
	case KindDeployment:
		return p.release.atLeast(v6_0)
	}
	return true
}

// Knows reports whether a profile has executions of a kind. It panics if there is no such profile.
func Knows(profile, kind string) bool {
	p, err := profileNamed(profile)
	if err != nil {
		panic("dominosim: " + err.Error())
	}
	return p.knows(kind)
}

// Profiles are the names that Config.Profile and SetVersion take, oldest first.
func Profiles() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.name
	}
	return names
}

func profileNamed(name string) (profile, error) {
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.name == name })
	if i < 0 {
		return profile{}, fmt.Errorf("profile %q: want one of %s", name, strings.Join(Profiles(), ", "))
	}
	return profiles[i], nil
}
