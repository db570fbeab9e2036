package domino

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Job is one run of a command (api.md §11, jobs.Job). Every field but ID may be empty.
type Job struct {
	ID        string
	ProjectID string // from 6.0 on
	Number    int    // counted in its project
	Title     string
	Command   string
	CommitID  string // that it began with
	Status    string // a RunStatus (api.md §21)
	Completed *bool  // the end flag; nil if Domino gave none
	Scheduled bool   // a schedule started it
	Flow      string // what the flow is called whose task it is (5.11 and later); "a flow" if it has no name
	StartedBy User

	Submitted, Started, Ended time.Time
}

type jobWire struct {
	ID        id      `json:"id"`
	ProjectID id      `json:"projectId"`
	Number    integer `json:"number"`
	Title     string  `json:"title"`
	Command   string  `json:"jobRunCommand"`
	Commit    *struct {
		Input string `json:"inputCommitId"`
	} `json:"commitDetails"`
	Statuses *struct {
		Completed *bool  `json:"isCompleted"`
		Scheduled bool   `json:"isScheduled"`
		Status    string `json:"executionStatus"`
	} `json:"statuses"`
	Stages *struct {
		Submitted timestamp `json:"submissionTime"`
		Started   timestamp `json:"runStartTime"`
		Ended     timestamp `json:"completedTime"`
	} `json:"stageTime"`
	StartedBy *struct {
		ID   id     `json:"id"`
		Name string `json:"username"`
	} `json:"startedBy"`
	Workflow *struct {
		Metadata *struct {
			Workflow string `json:"nodeWorkflowExecutionName"`
			Task     string `json:"taskExecutionName"`
		} `json:"executionMetadata"`
	} `json:"workflowDetails"`
}

func (w jobWire) value() (Job, error) {
	j := Job{ID: string(w.ID), ProjectID: string(w.ProjectID), Number: int(w.Number), Title: w.Title, Command: w.Command}
	if w.Commit != nil {
		j.CommitID = w.Commit.Input
	}
	if s := w.Statuses; s != nil {
		j.Status, j.Completed, j.Scheduled = s.Status, s.Completed, s.Scheduled
	}
	if s := w.Stages; s != nil {
		j.Submitted, j.Started, j.Ended = s.Submitted.Time, s.Started.Time, s.Ended.Time
	}
	if w.StartedBy != nil {
		j.StartedBy = User{ID: string(w.StartedBy.ID), Name: w.StartedBy.Name}
	}
	if f := w.Workflow; f != nil {
		j.Flow = "a flow"
		if m := f.Metadata; m != nil {
			j.Flow = first(m.Workflow, m.Task, j.Flow)
		}
	}
	return j, needID(j.ID)
}

// jobsPage is how many jobs are asked for at once: without a size Domino sends three (api.md §11).
const jobsPage = 100

func jobsRequest(projectID string, page int, query url.Values) request {
	r := newRequest("/v4/jobs")
	r.needed = []string{projectID}
	query.Set("projectId", projectID)
	query.Set("page_no", strconv.Itoa(page+1)) // counted from one
	query.Set("page_size", strconv.Itoa(jobsPage))
	query.Set("order_by", "number")
	r.query = query
	return r
}

// ActiveJobs lists the jobs of a project that wait, run or are being stopped (op getJobs, status=active). There is no list over
// all projects.
func (c *Client) ActiveJobs(ctx context.Context, projectID string) ([]Job, []RowError, error) {
	return paged(ctx, c, pages[jobWire, Job]{
		what: "job of project " + projectID, field: "jobs", value: jobWire.value, id: func(j Job) string { return j.ID },
		request: func(page, _ int) request {
			// Oldest first: what is started meanwhile comes last and shifts no page.
			return jobsRequest(projectID, page, url.Values{"status": {"active"}, "sort_by": {"asc"}})
		},
		total: "totalCount", size: jobsPage,
	})
}

// JobsAfter lists all jobs of a project whose number is greater than a number, archived ones too, newest first (op getJobs). It is
// whole or an error: one that is not in it does not exist, but for the lag of lists.
func (c *Client) JobsAfter(ctx context.Context, projectID string, number int) ([]Job, error) {
	p := pages[jobWire, Job]{
		what: "job of project " + projectID, field: "jobs", value: jobWire.value, total: "totalCount",
		request: func(page, _ int) request {
			return jobsRequest(projectID, page, url.Values{"sort_by": {"desc"}, "show_archived": {"true"}})
		},
	}
	var jobs []Job
	seen := map[string]bool{}
	descending, short, last := true, false, 0
	for page := range maxPages {
		got, info, err := onePage(ctx, c, p, page, page*jobsPage)
		if err != nil {
			return nil, err
		}
		if len(got.bad) > 0 {
			return nil, fmt.Errorf("list jobs of project %s: %w", projectID, c.redactRows(got.bad)[0])
		}
		fresh := false
		for _, j := range got.good {
			descending = descending && (last == 0 || j.Number <= last)
			last = j.Number
			if seen[j.ID] {
				continue
			}
			seen[j.ID], fresh = true, true
			if j.Number > number || j.Number == 0 {
				jobs = append(jobs, j)
			}
		}
		switch {
		case descending && !short && last <= number && len(got.good) > 0:
			return jobs, nil // the order was kept and no page was cut, so that no later page has a greater one
		case len(got.good) == 0 || !fresh:
			if info.total > len(seen) {
				return nil, fmt.Errorf("list jobs of project %s: %d rows found, while Domino counts %d", projectID, len(seen), info.total)
			}
			return jobs, nil
		}
		short = short || info.rows < jobsPage // a server that sends less than it was asked for may count its pages otherwise
	}
	return nil, fmt.Errorf("list jobs of project %s: no end after %d pages", projectID, maxPages)
}

// Job reads one job (op getJob).
func (c *Client) Job(ctx context.Context, jobID string) (Job, error) {
	return one(ctx, c, newRequest("/v4/jobs/{}", jobID), jobWire.value)
}

// JobRuntime is what a job runs in (api.md §11, jobs.JobRuntimeExecutionDetails).
type JobRuntime struct{ EnvironmentID, EnvironmentRevisionID, HardwareTierID string }

// JobRuntime reads environment and hardware tier of a job (op getRuntimeExecutionDetails).
func (c *Client) JobRuntime(ctx context.Context, jobID string) (JobRuntime, error) {
	return one(ctx, c, newRequest("/v4/jobs/{}/runtimeExecutionDetails", jobID), func(w struct {
		Environment *struct {
			ID         id `json:"environmentId"`
			RevisionID id `json:"environmentRevisionId"`
		} `json:"environment"`
		HardwareTier *struct {
			ID id `json:"id"`
		} `json:"hardwareTier"`
	}) (JobRuntime, error) {
		var r JobRuntime
		if w.Environment != nil {
			r.EnvironmentID, r.EnvironmentRevisionID = string(w.Environment.ID), string(w.Environment.RevisionID)
		}
		if w.HardwareTier != nil {
			r.HardwareTierID = string(w.HardwareTier.ID)
		}
		return r, nil
	})
}

// StopJob stops a job (op stopJob). With commit its results are saved first, else they are lost.
func (c *Client) StopJob(ctx context.Context, projectID, jobID string, commit bool) error {
	r, err := jobCall("/v4/jobs/stop", projectID, jobID, "commitResults", commit)
	if err != nil {
		return err
	}
	_, err = c.write(ctx, r)
	return err
}

// RestartJob runs a job again, on the commit that it began with, as another job of the caller's (op restartJob). The Job is zero
// if Domino's answer does not tell it.
func (c *Client) RestartJob(ctx context.Context, projectID, jobID string) (Job, error) {
	r, err := jobCall("/v4/jobs/restart", projectID, jobID, "shouldUseOriginalInputCommit", true)
	if err != nil {
		return Job{}, err
	}
	answer, err := c.write(ctx, r)
	if err != nil {
		return Job{}, err
	}
	var w jobWire
	if json.Unmarshal(answer, &w) != nil {
		return Job{}, nil // it was accepted; what was made is for the caller to look up
	}
	j, err := w.value()
	if err != nil || j.ID == jobID {
		return Job{}, nil //nolint:nilerr // as above
	}
	return j, nil
}

// jobCall is a write that names a job in its body. projectId is required up to 5.9 and does no harm later (api.md §11).
func jobCall(path, projectID, jobID, flag string, value bool) (request, error) {
	r := newRequest(path)
	r.method, r.needed = "POST", []string{projectID, jobID}
	var err error
	r.body, err = json.Marshal(map[string]any{"projectId": projectID, "jobId": jobID, flag: value})
	return r, err
}
