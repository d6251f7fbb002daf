// Package clients runs the table of calls (../calls/*.json) through the Go clients. ../README.md describes the table.
package clients

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	variable    = "WALLET_CLIENT_TEST"
	callTimeout = 60 * time.Second
	pause       = 50 * time.Millisecond
)

// instance is what ../serve.py tells of the service under test.
var instance map[string]string

// passed counts, for each client, the calls whose answers were as expected.
var passed []string

func TestMain(m *testing.M) {
	if err := json.Unmarshal([]byte(os.Getenv(variable)), &instance); err != nil {
		fmt.Fprintf(os.Stderr, "%s does not describe a running service (%v): run `make test-go`\n", variable, err)
		os.Exit(1)
	}
	status := m.Run()
	for _, line := range passed {
		fmt.Println(line)
	}
	os.Exit(status)
}

type step struct {
	Name    string            `json:"name"`
	Call    string            `json:"call"`
	Post    string            `json:"post"`
	Get     string            `json:"get"`
	As      string            `json:"as"`
	With    any               `json:"with"`
	Hex     string            `json:"hex"`
	Gives   map[string]any    `json:"gives"`
	Refused map[string]any    `json:"refused"`
	Keep    map[string]string `json:"keep"`
	Within  int               `json:"within"`
}

type table struct{ Calls, Raw []step }

// refusal is an error as a client shows it: reason and metadata of ErrorInfo, fields of BadRequest.
type refusal struct {
	code, message, reason string
	fields                []string
	metadata              map[string]any
}

// client calls `package.Service/Method` with proto JSON and an API key, which may be empty.
type client interface {
	name() string
	call(ctx context.Context, method, request, key string) (answer string, refused *refusal)
	send(ctx context.Context, method string, body []byte, key string) *refusal
}

// run makes every call of the table in order, in an organization of its own.
func run(t *testing.T, c client) {
	calls := readTable(t)
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"run": strings.ReplaceAll(c.name(), " ", "-") + "-" + hex.EncodeToString(suffix)}
	for name, value := range instance {
		values[name] = value
	}
	count := 0
	take := func(s step, check func(t *testing.T)) {
		if t.Run(s.Name, check) {
			count++
		}
	}
	for _, s := range calls.Calls {
		take(s, func(t *testing.T) { takeStep(t, c, s, values) })
	}
	for _, s := range calls.Raw {
		take(s, func(t *testing.T) {
			body, err := hex.DecodeString(s.Hex)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
			defer cancel()
			report(t, faults(t, s, nil, c.send(ctx, s.Call, body, keyOf(t, s, values)), values))
		})
	}
	passed = append(passed, fmt.Sprintf("%-32s %d calls of %d passed", c.name(), count, len(calls.Calls)+len(calls.Raw)))
}

func readTable(t *testing.T) table {
	paths, err := filepath.Glob("../calls/*.json") // in order of their names
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no calls: %v", err)
	}
	var calls []step
	for _, path := range paths {
		calls = append(calls, readSteps(t, path)...)
	}
	return table{Calls: calls, Raw: readSteps(t, "../raw.json")}
}

func readSteps(t *testing.T, path string) []step {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	if err := json.Unmarshal(text, &steps); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return steps
}

func takeStep(t *testing.T, c client, s step, values map[string]string) {
	request, err := json.Marshal(fill(t, s.With, values))
	if err != nil {
		t.Fatal(err)
	}
	if s.Post != "" {
		post(t, fill(t, s.Post, values).(string), string(request))
		return
	}
	if s.Get != "" {
		report(t, differences(fill(t, s.Gives, values), get(t, s, values), ""))
		return
	}
	end := time.Now().Add(time.Duration(s.Within) * time.Second)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
		text, refused := c.call(ctx, s.Call, string(request), keyOf(t, s, values))
		cancel()
		var answer any
		if refused == nil {
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Fatal(err)
			}
		}
		found := faults(t, s, answer, refused, values)
		if len(found) == 0 {
			for name, path := range s.Keep {
				values[name] = at(t, answer, path)
			}
			return
		}
		if time.Now().After(end) {
			t.Logf("answer: %s %+v", text, refused)
			report(t, found)
			return
		}
		time.Sleep(pause)
	}
}

func post(t *testing.T, url, body string) {
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		t.Fatalf("%s: %s", url, answer.Status)
	}
}

// get tells what a plain GET answers; of the content as much as the step expects.
func get(t *testing.T, s step, values map[string]string) map[string]any {
	answer, err := http.Get(fill(t, s.Get, values).(string))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	expected, _ := s.Gives["begins"].(string)
	mediaType, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	return map[string]any{
		"status": float64(answer.StatusCode),
		"type":   mediaType,
		"begins": string(content[:min(len(expected), len(content))]),
	}
}

func report(t *testing.T, found []string) {
	t.Helper()
	for _, fault := range found {
		t.Error(fault)
	}
}

func keyOf(t *testing.T, s step, values map[string]string) string {
	if s.As == "none" {
		return ""
	}
	key, known := values[s.As]
	if !known {
		t.Fatalf("no call before this one has kept the key %q", s.As)
	}
	return key
}

var placeholder = regexp.MustCompile(`\$\{\w+\}`)

// fill replaces ${name}, and writes out {"$times": n, "$of": x}: a longer text, or a list.
func fill(t *testing.T, template any, values map[string]string) any {
	switch template := template.(type) {
	case string:
		return placeholder.ReplaceAllStringFunc(template, func(found string) string {
			value, known := values[found[2:len(found)-1]]
			if !known {
				t.Fatalf("no call before this one has kept %s", found)
			}
			return value
		})
	case []any:
		filled := make([]any, len(template))
		for i, item := range template {
			filled[i] = fill(t, item, values)
		}
		return filled
	case map[string]any:
		if times, ok := template["$times"].(float64); ok {
			return repeat(fill(t, template["$of"], values), int(times))
		}
		filled := make(map[string]any, len(template))
		for name, value := range template {
			filled[name] = fill(t, value, values)
		}
		return filled
	default:
		return template
	}
}

func repeat(one any, times int) any {
	if text, ok := one.(string); ok {
		return strings.Repeat(text, times)
	}
	list := make([]any, times)
	for i := range list {
		list[i] = one
	}
	return list
}

// faults tells what is not as the step expects it; an answer may have more than is expected.
func faults(t *testing.T, s step, answer any, refused *refusal, values map[string]string) []string {
	filled := func(template map[string]any) map[string]any {
		return fill(t, template, values).(map[string]any)
	}
	if s.Refused == nil {
		if refused != nil {
			return []string{"refused"}
		}
		return differences(filled(s.Gives), answer, "")
	}
	if refused == nil {
		return []string{"not refused"}
	}
	expected := filled(s.Refused)
	var found []string
	for name, actual := range map[string]string{"code": refused.code, "reason": refused.reason, "message": refused.message} {
		if wanted, asked := expected[name]; asked && wanted != actual {
			found = append(found, fmt.Sprintf("%s is %q instead of %q", name, actual, wanted))
		}
	}
	if field, asked := expected["field"].(string); asked && !contains(refused.fields, field) {
		found = append(found, fmt.Sprintf("%s is not among the fields %q", field, refused.fields))
	}
	if metadata, asked := expected["metadata"]; asked {
		found = append(found, differences(metadata, map[string]any(refused.metadata), "metadata")...)
	}
	return found
}

func contains(texts []string, text string) bool {
	for _, one := range texts {
		if one == text {
			return true
		}
	}
	return false
}

// differences: "*" stands for anything that is there, null for what is not; lists have the same length.
func differences(expected, actual any, path string) []string {
	if expected == nil {
		if actual != nil {
			return []string{fmt.Sprintf("%s is there: %v", path, actual)}
		}
		return nil
	}
	if expected == "*" {
		if actual == nil || actual == "" {
			return []string{path + " is missing"}
		}
		return nil
	}
	var found []string
	switch expected := expected.(type) {
	case map[string]any:
		if actual, ok := actual.(map[string]any); ok {
			for name, value := range expected {
				found = append(found, differences(value, actual[name], path+"."+name)...)
			}
			return found
		}
	case []any:
		if actual, ok := actual.([]any); ok && len(actual) == len(expected) {
			for i, value := range expected {
				found = append(found, differences(value, actual[i], fmt.Sprintf("%s.%d", path, i))...)
			}
			return found
		}
	}
	if !reflect.DeepEqual(expected, actual) {
		return []string{fmt.Sprintf("%s is %v instead of %v", path, actual, expected)}
	}
	return nil
}

// at returns the text at `results.0.usageEventName`.
func at(t *testing.T, answer any, path string) string {
	for _, part := range strings.Split(path, ".") {
		if list, ok := answer.([]any); ok {
			index, err := strconv.Atoi(part)
			if err != nil || index >= len(list) {
				t.Fatalf("the answer has nothing at %s", path)
			}
			answer = list[index]
		} else {
			answer = answer.(map[string]any)[part]
		}
	}
	text, ok := answer.(string)
	if !ok {
		t.Fatalf("the answer has no text at %s", path)
	}
	return text
}
