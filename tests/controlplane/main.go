// Command controlplane is a real Kubernetes control plane for tests, small enough to start in seconds: etcd,
// kube-apiserver and kube-controller-manager on the loopback interface, with all their data under one directory.
//
//	controlplane -dir DIR -port PORT [-audit USER]
//
// It writes DIR/kubeconfig (an administrator's) and serves until it is told to stop by SIGTERM, or until its standard
// input ends: a test run that is killed leaves no server behind. With -audit, every request of USER is a JSON line in
// DIR/audit.log, written before the answer, so that a test can count what a program asked for.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// The API server and the controller manager register the same process-wide feature gates, so one process cannot hold
// both: this binary starts itself again under this name for the second.
const managerRole = "controller-manager"

// What the tests rely on: owner references, the end of namespaces, service accounts and their CA bundle.
var controllerNames = []string{
	"garbage-collector-controller",
	"namespace-controller",
	"serviceaccount-controller",
	"root-ca-certificate-publisher-controller",
}

type plane struct {
	dir   string
	port  int
	audit string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == managerRole {
		command := manager.NewControllerManagerCommand()
		command.SetArgs(os.Args[2:])
		if err := command.Execute(); err != nil {
			log.Fatal(err)
		}
		return
	}
	var p plane
	flag.StringVar(&p.dir, "dir", "", "where everything is kept")
	flag.IntVar(&p.port, "port", 6443, "port of the API server on 127.0.0.1")
	flag.StringVar(&p.audit, "audit", "", "user whose requests are written to DIR/audit.log")
	flag.Parse()
	if p.dir == "" {
		log.Fatal("-dir is needed")
	}
	if err := p.serve(); err != nil {
		log.Fatal(err)
	}
}

func (p plane) path(name string) string { return filepath.Join(p.dir, name) }

func (p plane) serve() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	etcd, err := p.startEtcd()
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer etcd.Close()
	if err := errors.Join(p.writeSigningKey(), p.writeAccess(), p.writeAuditPolicy()); err != nil {
		return err
	}
	go p.runManager()
	go exitWithInput()
	command := apiserver.NewAPIServerCommand()
	command.SetArgs(p.apiArgs(etcd.Config().ListenClientUrls[0].String()))
	return command.Execute()
}

func (p plane) apiArgs(etcd string) []string {
	args := []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.port),
		"--cert-dir=" + p.path("certs"),
		"--token-auth-file=" + p.path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.path("signing.key"),
		"--service-account-signing-key-file=" + p.path("signing.key"),
		"--shutdown-delay-duration=0s",
	}
	if p.audit != "" {
		args = append(args,
			"--audit-policy-file="+p.path("audit.yaml"),
			"--audit-log-path="+p.path("audit.log"),
			"--audit-log-mode=blocking",
		)
	}
	return args
}

// startEtcd runs a single etcd member in this process. It never syncs to disk: a new start on the same data is one of
// the process, not of the machine.
func (p plane) startEtcd() (*embed.Etcd, error) {
	config := embed.NewConfig()
	config.Dir = p.path("etcd")
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	for _, urls := range []struct{ listen, advertise *[]url.URL }{
		{&config.ListenClientUrls, &config.AdvertiseClientUrls},
		{&config.ListenPeerUrls, &config.AdvertisePeerUrls},
	} {
		free, err := freeURL()
		if err != nil {
			return nil, err
		}
		*urls.listen, *urls.advertise = []url.URL{free}, []url.URL{free}
	}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	<-etcd.Server.ReadyNotify()
	return etcd, nil
}

// runManager runs the controller manager beside the API server, and ends this process where it ends.
func (p plane) runManager() {
	// Pdeathsig follows the thread that starts the child, so this one must stay.
	runtime.LockOSThread()
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	// The API server makes its certificate, which the kubeconfig names, before it listens; and the manager gives up on
	// one that is not there after ten seconds.
	address := fmt.Sprintf("127.0.0.1:%d", p.port)
	for {
		if connection, err := net.Dial("tcp", address); err == nil {
			connection.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	child := exec.Command(self, managerRole,
		"--kubeconfig="+p.path("kubeconfig"),
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file="+p.path("signing.key"),
		"--controllers="+strings.Join(controllerNames, ","),
	)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log.Fatalf("controller manager: %v", child.Run())
}

func (p plane) certificate() string { return p.path("certs/apiserver.crt") }

func (p plane) writeAccess() error {
	tokens := []byte("admin,admin,1,\"system:masters\"\n")
	if err := os.WriteFile(p.path("tokens.csv"), tokens, 0o600); err != nil {
		return err
	}
	kubeconfig := fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: test
contexts:
- {name: test, context: {cluster: test, user: admin}}
clusters:
- {name: test, cluster: {server: "https://127.0.0.1:%d", certificate-authority: %q}}
users:
- {name: admin, user: {token: admin}}
`, p.port, p.certificate())
	return os.WriteFile(p.path("kubeconfig"), kubeconfig, 0o600)
}

func (p plane) writeAuditPolicy() error {
	if p.audit == "" {
		return nil
	}
	policy := fmt.Appendf(nil, `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: [%q]}
- {level: None}
`, p.audit)
	return os.WriteFile(p.path("audit.yaml"), policy, 0o600)
}

// writeSigningKey makes the key of service account tokens; a second start on the same data keeps it, and with it every
// token.
func (p plane) writeSigningKey() error {
	if _, err := os.Stat(p.path("signing.key")); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return os.WriteFile(p.path("signing.key"), pem.EncodeToMemory(block), 0o600)
}

// exitWithInput ends the process once nobody holds the other end of its standard input.
func exitWithInput() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func freeURL() (url.URL, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	defer listener.Close()
	return url.URL{Scheme: "http", Host: listener.Addr().String()}, nil
}
