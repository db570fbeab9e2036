package dominosim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A profile is one row of what differs between Domino versions, as far as this simulator shows it.
// A new version is a new row; routes name the version that brought them (routes.go).
type profile struct {
	name    string
	release release
	version string // what GET /version says; newer ones carry build metadata (api.md §4)

	instanceField         string // the modelProduct's key for its latest run (api.md §8)
	instanceMounts        bool   // instance details name mounts (6.1+)
	startTakesCommit      bool   // start reads commitId and mainRepoGitRef (6.1+)
	netApp                bool   // NetApp volumes exist in start, sessions and schedules (6.1+)
	bundles               bool   // start reads bundleId; 6.2+
	stopOfStopped         int    // status of a stop when nothing runs: 500 old, 404 on 6.x (LIVE, api.md §8)
	executionsPaged       bool   // admin/executions is an object with pages (6.0+) and no bare array
	ownerNames            bool   // model owners as {id,name}, as a real 5.x answered; {id,username,fullName} after
	nestedTiers           bool   // hardware tiers have hwtResources and hwtFlags (5.10+)
	faulty                bool   // RunStatus Faulty (6.2+)
	netAppSnapshotFlag    bool   // schedules have snapshotNetAppVolumesOnCompletion (6.2+)
	sessionsNeedNetAppKey bool   // public sessions call wants both lists (live note, 6.x)
}

type release struct{ major, minor int }

func (r release) atLeast(o release) bool {
	return r.major > o.major || r.major == o.major && r.minor >= o.minor
}

var (
	v5_9  = release{5, 9}
	v5_10 = release{5, 10}
	v5_11 = release{5, 11}
	v6_0  = release{6, 0}
	v6_1  = release{6, 1}
	v6_2  = release{6, 2}
)

var profiles = []profile{
	{
		name: "5.9", release: v5_9, version: "5.9.1",
		instanceField: "latestAppVersionId",
		stopOfStopped: http.StatusInternalServerError,
		ownerNames:    true,
	},
	{
		name: "6.1", release: v6_1, version: "6.1.0",
		instanceField: "latestAppInstanceId", instanceMounts: true, startTakesCommit: true, netApp: true,
		stopOfStopped:   http.StatusNotFound,
		executionsPaged: true, nestedTiers: true, sessionsNeedNetAppKey: true,
	},
	{
		name: "6.2", release: v6_2, version: "6.2.0-230116",
		instanceField: "latestAppInstanceId", instanceMounts: true, startTakesCommit: true, netApp: true, bundles: true,
		stopOfStopped:   http.StatusNotFound,
		executionsPaged: true, nestedTiers: true, sessionsNeedNetAppKey: true,
		faulty: true, netAppSnapshotFlag: true,
	},
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
