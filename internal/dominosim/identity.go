package dominosim

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
)

func (c *call) version() answer {
	// The fields are LIVE, the values invented (api.md §4).
	return ok(obj{
		"version": cmp.Or(c.s.reported, c.s.profile.version), "buildId": "51d05", "buildUrl": "https://ci.example.com/builds/51d05",
		"commitId": "51d0510", "commitUrl": "https://git.example.com/domino/commit/51d0510", "timestamp": "2025-03-01T00:00:00Z",
	})
}

// health has a body that nobody relies upon (api.md §4).
func (c *call) health() answer { return ok(obj{"status": "OK"}) }

func (c *call) frontendConfig() answer {
	label := obj{
		"appURL": "https://domino.example.com", "errorPageContactEmail": "support@example.com", "defaultProjectName": "quick-start",
		"favicon": "/favicon.ico", "gitCredentialsDescription": "", "helpContentUrl": "https://docs.example.com", "supportUrl": "",
		"hideAddProjectAction": false, "hidePopularProjects": false, "hideDownloadDominoCli": false,
		"hideMarketingDisclaimer": false, "hidePublicProjects": false, "hideSearchableProjects": false, "hideSuggestedProjects": false,
		"hideLearnMoreOnFile": false, "hideGitSshKey": false, "appName": "Domino", "pageFooter": "", "showSupportButton": false,
		"supportEmail": "support@example.com",
	}
	if c.s.profile.release.atLeast(v5_10) {
		label["pdfAppName"] = "Domino"
	}
	return ok(obj{
		"stage": "prod", "version": c.s.profile.version, "booleanSettings": []string{}, "featureFlags": []string{},
		"mixpanelSettings": mixpanel(), "globalBannerSettings": obj{"isClosable": false}, "whiteLabelConfigurations": label,
	})
}

func mixpanel() obj {
	return obj{"frontendClientEnabled": false, "backendClientEnabled": false, "token": ""}
}

// principal answers 200 to everybody: isAnonymous is how a bad key shows (LIVE, api.md §5).
func (c *call) principal() answer {
	p := c.s.profile
	o := obj{
		"isAnonymous": c.caller == nil, "isAdmin": c.caller != nil && c.caller.admin,
		"allowedSystemOperations": []string{}, "featureFlags": []string{}, "booleanSettings": []string{},
		"mixpanelSettings": mixpanel(),
	}
	if p.release.atLeast(v5_7) {
		o["globalBannerSettings"] = obj{"isClosable": false}
	} else {
		o["isDMMUser"] = false
	}
	if c.caller != nil {
		o["canonicalId"], o["canonicalName"] = c.caller.id, c.caller.name
		o["allowedSystemOperations"] = list(c.caller.operations)
		if c.caller.admin {
			o["allowedSystemOperations"] = []string{
				"ListAllProjects", "StopRuns", "ViewExecutors", "ActAsProjectAdmin", "ManageBuilds", "ViewAdminDashboard", "ViewAdminMenu",
				"ViewUserList", "ViewProjectList",
			}
		}
	}
	if p.release.atLeast(v5_11) {
		o["uploadFileBatchSize"] = 100
	}
	if p.release.atLeast(v6_1) {
		o["pendoInstallKey"], o["eSignatureActionOptions"] = "", []string{}
		o["environmentsBuildPropagationEnabled"], o["appsHost"] = false, "apps.example.com"
	}
	if p.release == v6_1 {
		o["idleTimerPromptValueInMinutes"], o["idleTimerValueInMinutes"] = 5, 60
	}
	if p.release.atLeast(v6_2) {
		o["idleTimeoutPromptValueInMinutes"], o["idleTimeoutValueInMinutes"], o["appsSubdomain"] = 5, 60, "apps"
		o["extendedIdentityPropagationToAppsRememberMeExpirationInSecs"] = 3600
		o["extendedIdentityPropagationToAppsDontRememberMeExpirationInSecs"] = 600
	}
	return ok(o)
}

func (u *user) person() obj {
	return obj{
		"id": u.id, "userName": u.name, "firstName": u.first, "lastName": u.last, "fullName": u.full(),
		"email": u.name + "@example.com", "avatarUrl": "",
	}
}

func (c *call) self() answer {
	o := c.caller.person()
	if c.s.profile.release.atLeast(v6_1) {
		o["roles"] = c.caller.allRoles()
	}
	if c.s.profile.release.atLeast(v6_2) {
		o["organizations"] = []obj{}
	}
	return ok(o)
}

// listUsers filters as its parameters say (api.md §5); an unknown user is an empty list.
func (c *call) listUsers() answer {
	out := []obj{}
	name, prefix, ids := c.query.Get("userName"), c.query.Get("query"), c.query["userId"]
	for _, u := range c.s.users {
		if name != "" && u.name != name || prefix != "" && !strings.HasPrefix(u.name, prefix) {
			continue
		}
		if len(ids) > 0 && !contains(ids, u.id) {
			continue
		}
		out = append(out, u.person())
	}
	return ok(out)
}

func contains(ids []string, id string) bool {
	for _, v := range ids {
		if v == id {
			return true
		}
	}
	return false
}

// number reads an optional number of the query; what is no number is Play's 400.
func (c *call) number(key string, otherwise int) (int, *answer) {
	v := c.query.Get(key)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		a := answer{status: http.StatusBadRequest, message: "Cannot parse parameter " + key, body: obj{"message": "Cannot parse parameter " + key + " as Int"}}
		return 0, &a
	}
	return n, nil
}
