// The Go client of the suite: nacos-sdk-go over gRPC. Roles and lines: see ../README.md.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func split(address string) (string, uint64) {
	host, text, err := net.SplitHostPort(address)
	must(err)
	port, err := strconv.ParseUint(text, 10, 16)
	must(err)
	return host, port
}

func join(items []string) string {
	slices.Sort(items)
	if len(items) == 0 {
		return "-"
	}
	return strings.Join(items, ",")
}

// show gives the list as text: sorted `ip:port/version/weight`, `!` after unhealthy ones, or `-` when it is empty.
func show(instances []model.Instance) string {
	var items []string
	for _, i := range instances {
		item := fmt.Sprintf("%s:%d/%s/%.0f", i.Ip, i.Port, i.Metadata["version"], i.Weight)
		if !i.Healthy {
			item += "!"
		}
		items = append(items, item)
	}
	return join(items)
}

// commands calls do with the words of each line on stdin, up to `quit` or the end of input.
func commands(do func(words []string)) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "quit" {
		do(strings.Fields(lines.Text()))
	}
}

func connect(server string) naming_client.INamingClient {
	host, port := split(server)
	naming, err := clients.NewNamingClient(vo.NacosClientParam{
		ServerConfigs: []constant.ServerConfig{{IpAddr: host, Port: port}},
		ClientConfig: &constant.ClientConfig{
			Username:             os.Getenv("NACOS_USERNAME"),
			Password:             os.Getenv("NACOS_PASSWORD"),
			TimeoutMs:            10000,
			LogDir:               "logs",
			CacheDir:             "cache",
			NotLoadCacheAtStart:  true,
			UpdateCacheWhenEmpty: true, // otherwise the SDK hides the departure of the last instance
		},
	})
	must(err)
	return naming
}

type publisher struct {
	naming  naming_client.INamingClient
	service string
	ip      string
	port    uint64
	version int
	// Whether its instance lives by this client.
	ephemeral bool
}

func (p *publisher) instance(port uint64, cluster string, healthy bool) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{
		ServiceName: p.service,
		Ip:          p.ip,
		Port:        port,
		ClusterName: cluster,
		Healthy:     healthy,
		Enable:      true,
		Ephemeral:   p.ephemeral,
		Weight:      float64(p.version),
		Metadata:    map[string]string{"version": strconv.Itoa(p.version)},
	}
}

func (p *publisher) first() vo.RegisterInstanceParam  { return p.instance(p.port, "DEFAULT", true) }
func (p *publisher) second() vo.RegisterInstanceParam { return p.instance(p.port+1, "east", false) }

func (p *publisher) batch(instances ...vo.RegisterInstanceParam) (bool, error) {
	return p.naming.BatchRegisterInstance(vo.BatchRegisterInstanceParam{ServiceName: p.service, Instances: instances})
}

func (p *publisher) do(words []string) (bool, error) {
	switch words[0] {
	case "register":
		return p.naming.RegisterInstance(p.first())
	case "update":
		p.version, _ = strconv.Atoi(words[1])
		return p.naming.UpdateInstance(vo.UpdateInstanceParam(p.first()))
	case "deregister":
		return p.naming.DeregisterInstance(vo.DeregisterInstanceParam{
			ServiceName: p.service, Ip: p.ip, Port: p.port, Cluster: "DEFAULT", Ephemeral: p.ephemeral,
		})
	case "batch":
		return p.batch(p.first(), p.second())
	case "unbatch": // this SDK has no batch deregistration: publish what remains
		return p.batch(p.first())
	}
	return false, fmt.Errorf("unknown command")
}

func publish(naming naming_client.INamingClient, service, address string, ephemeral bool) {
	ip, port := split(address)
	p := &publisher{naming, service, ip, port, 1, ephemeral}
	if done, err := p.do([]string{"register"}); !done {
		log.Fatalf("register returned %v, %v", done, err)
	}
	fmt.Println("READY")
	commands(func(words []string) {
		if done, err := p.do(words); done {
			fmt.Println("OK", words[0])
		} else {
			fmt.Println("FAILED", words[0], err)
		}
	})
}

func watch(naming naming_client.INamingClient, service string) {
	must(naming.Subscribe(&vo.SubscribeParam{
		ServiceName: service,
		SubscribeCallback: func(instances []model.Instance, err error) {
			must(err)
			fmt.Println("LIST", show(instances))
		},
	}))
	fmt.Println("READY")
	commands(func([]string) {})
}

func query(naming naming_client.INamingClient, service string) {
	status := "DOWN"
	if naming.ServerHealthy() {
		status = "UP"
	}
	fmt.Println("STATUS", status)

	all, err := naming.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service})
	must(err)
	fmt.Println("ALL", show(all))
	// An empty list is an error of this call; show prints it as empty.
	healthy, _ := naming.SelectInstances(vo.SelectInstancesParam{ServiceName: service, HealthyOnly: true})
	fmt.Println("HEALTHY", show(healthy))
	east, err := naming.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, Clusters: []string{"east"}})
	must(err)
	fmt.Println("EAST", show(east))
	services, err := naming.GetAllServicesInfo(vo.GetAllServiceInfoParam{PageNo: 1, PageSize: 1000})
	must(err)
	fmt.Println("SERVICES", join(services.Doms))
}

func main() {
	server, role, service := os.Args[1], os.Args[2], os.Args[3]
	naming := connect(server)
	switch role {
	case "publish", "keep":
		publish(naming, service, os.Args[4], role == "publish")
	case "watch":
		watch(naming, service)
	case "query":
		query(naming, service)
	}
	naming.CloseClient()
}
