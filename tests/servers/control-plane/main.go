// A Kubernetes control plane in one program, for the tests: `control-plane etcd FLAGS…`,
// `control-plane kube-apiserver FLAGS…` or `control-plane kube-controller-manager FLAGS…`, each as published.
package main

import (
	"fmt"
	"os"

	// The time zones of CronJobs, whatever the machine has.
	_ "time/tzdata"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	which := ""
	if len(os.Args) > 1 {
		// The program that is chosen finds its own name and its flags, as if it had been started alone.
		which = os.Args[1]
		os.Args = os.Args[1:]
	}
	switch which {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	default:
		fmt.Fprintln(os.Stderr, "usage: control-plane etcd|kube-apiserver|kube-controller-manager FLAGS…")
		os.Exit(2)
	}
}
