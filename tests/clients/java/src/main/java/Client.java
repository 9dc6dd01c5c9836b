import com.alibaba.nacos.api.naming.NamingFactory;
import com.alibaba.nacos.api.naming.NamingMaintainFactory;
import com.alibaba.nacos.api.naming.NamingMaintainService;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.api.naming.pojo.Service;
import com.alibaba.nacos.api.selector.NoneSelector;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Scanner;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The Java client of the suite: nacos-client, 1.x over HTTP, later ones over gRPC. Roles and lines: see ../README.md. */
public class Client {
    static final String GROUP = "DEFAULT_GROUP";
    static final List<String> BEATS = List.of(
            "preserved.heart.beat.interval", "preserved.heart.beat.timeout", "preserved.ip.delete.timeout");

    interface Command {
        void run(String[] words) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        try {
            String service = args[2];
            Properties server = server(args[0]);
            NamingService naming = NamingFactory.createNamingService(server);
            switch (args[1]) {
                case "publish", "keep" -> {
                    String beats = args.length > 4 ? args[4] : "";
                    new Publisher(naming, server, service, args[3], beats, args[1].equals("publish")).run();
                }
                case "watch" -> watch(naming, service);
                case "query" -> query(naming, service);
                default -> throw new IllegalArgumentException(args[1]);
            }
            if (!args[1].equals("query")) {
                naming.shutDown(); // takes 1.x 6 s
            }
            System.exit(0);
        } catch (Throwable problem) {
            problem.printStackTrace();
            System.exit(1); // the client's threads would keep the process alive
        }
    }

    static Properties server(String address) {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", address);
        if (System.getenv("NACOS_USERNAME") != null) {
            properties.setProperty("username", System.getenv("NACOS_USERNAME"));
            properties.setProperty("password", System.getenv("NACOS_PASSWORD"));
        }
        return properties;
    }

    static void say(String... words) {
        System.out.println(String.join(" ", words));
    }

    /** The list as text: sorted `ip:port/version/weight`, `!` after unhealthy ones, or `-` when it is empty. */
    static String show(List<Instance> instances) {
        return join(instances.stream().map(i -> "%s:%d/%s/%.0f%s".formatted(
                i.getIp(), i.getPort(), i.getMetadata().get("version"), i.getWeight(), i.isHealthy() ? "" : "!")));
    }

    static String join(Stream<String> items) {
        String text = items.sorted().collect(Collectors.joining(","));
        return text.isEmpty() ? "-" : text;
    }

    /** Runs the command with the words of each line on stdin, up to `quit` or the end of input. */
    static void commands(Command command) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
            command.run(line.split(" "));
        }
    }

    static class Publisher {
        final NamingService naming;
        final Properties server;
        final String service;
        final String ip;
        final int port;
        final Map<String, String> metadata = new HashMap<>();
        final boolean ephemeral;
        int version = 1;

        Publisher(NamingService naming, Properties server, String service, String address, String beats,
                boolean ephemeral) {
            this.ephemeral = ephemeral;
            this.naming = naming;
            this.server = server;
            this.service = service;
            this.ip = address.split(":")[0];
            this.port = Integer.parseInt(address.split(":")[1]);
            Scanner times = new Scanner(beats).useDelimiter(",");
            BEATS.stream().takeWhile(name -> times.hasNext()).forEach(name -> metadata.put(name, times.next()));
        }

        Instance instance(int port, String cluster, boolean healthy) {
            Instance instance = new Instance();
            instance.setIp(ip);
            instance.setPort(port);
            instance.setClusterName(cluster);
            instance.setHealthy(healthy);
            instance.setWeight(version);
            instance.setEphemeral(ephemeral);
            metadata.put("version", String.valueOf(version));
            instance.setMetadata(Map.copyOf(metadata));
            return instance;
        }

        Instance first() {
            return instance(port, "DEFAULT", true);
        }

        Instance second() {
            return instance(port + 1, "east", false);
        }

        void run() throws Exception {
            naming.registerInstance(service, GROUP, first());
            say("READY");
            commands(words -> {
                try {
                    act(words);
                    say("OK", words[0]);
                } catch (Exception problem) {
                    say("FAILED", words[0], problem.toString());
                }
            });
        }

        void act(String[] words) throws Exception {
            switch (words[0]) {
                case "register" -> naming.registerInstance(service, GROUP, first());
                case "update" -> {
                    version = Integer.parseInt(words[1]);
                    naming.registerInstance(service, GROUP, first());
                }
                case "deregister" -> naming.deregisterInstance(service, GROUP, first());
                case "batch" -> {
                    if (!atOnce("batchRegisterInstance", first(), second())) {
                        naming.registerInstance(service, GROUP, first());
                        naming.registerInstance(service, GROUP, second());
                    }
                }
                case "unbatch" -> {
                    if (!atOnce("batchDeregisterInstance", second())) {
                        naming.deregisterInstance(service, GROUP, second());
                    }
                }
                default -> maintain(words);
            }
        }

        /** Calls this method of the SDK; 1.x has no calls for several instances. */
        boolean atOnce(String method, Instance... instances) throws Exception {
            try {
                NamingService.class.getMethod(method, String.class, String.class, List.class)
                        .invoke(naming, service, GROUP, List.of(instances));
                return true;
            } catch (NoSuchMethodException old) {
                return false;
            }
        }

        void maintain(String[] words) throws Exception {
            NamingMaintainService maintain = NamingMaintainFactory.createMaintainService(server);
            switch (words[0]) {
                case "override" -> {
                    version = Integer.parseInt(words[1]);
                    maintain.updateInstance(service, GROUP, first());
                }
                case "create" -> maintain.createService(service(words[1], 0.25f, "1"), new NoneSelector());
                case "alter" -> maintain.updateService(service(words[1], 0.75f, "2"), new NoneSelector());
                case "describe" -> {
                    Service seen = maintain.queryService(words[1], GROUP);
                    say("SERVICE", "%s %.2f %s".formatted(
                            seen.getName(), seen.getProtectThreshold(), seen.getMetadata().get("version")));
                }
                case "delete" -> {
                    if (!maintain.deleteService(words[1], GROUP)) {
                        throw new IllegalStateException("deleteService returned false");
                    }
                }
                default -> throw new IllegalArgumentException("unknown command");
            }
            maintain.shutDown();
        }

        Service service(String name, float protectThreshold, String version) {
            Service service = new Service();
            service.setName(name);
            service.setGroupName(GROUP);
            service.setProtectThreshold(protectThreshold);
            service.setMetadata(Map.of("version", version));
            return service;
        }
    }

    static void watch(NamingService naming, String service) throws Exception {
        naming.subscribe(service, GROUP, event -> say("LIST", show(((NamingEvent) event).getInstances())));
        say("READY");
        commands(words -> { });
    }

    static void query(NamingService naming, String service) throws Exception {
        say("STATUS", naming.getServerStatus());
        say("ALL", show(naming.getAllInstances(service, GROUP, false)));
        say("HEALTHY", show(naming.selectInstances(service, GROUP, true, false)));
        say("EAST", show(naming.getAllInstances(service, GROUP, List.of("east"), false)));
        say("SERVICES", join(naming.getServicesOfServer(1, 1000, GROUP).getData().stream()));
    }
}
