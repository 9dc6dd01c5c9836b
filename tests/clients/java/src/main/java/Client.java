import com.alibaba.nacos.api.naming.NamingFactory;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The Java client of the suite: nacos-client over gRPC. Roles and lines: see ../README.md. */
public class Client {
    static final String GROUP = "DEFAULT_GROUP";

    interface Command {
        void run(String[] words) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        try {
            String service = args[2];
            NamingService naming = connect(args[0]);
            switch (args[1]) {
                case "publish" -> new Publisher(naming, service, args[3]).run();
                case "watch" -> watch(naming, service);
                case "query" -> query(naming, service);
                default -> throw new IllegalArgumentException(args[1]);
            }
            naming.shutDown();
            System.exit(0);
        } catch (Throwable problem) {
            problem.printStackTrace();
            System.exit(1); // the client's threads would keep the process alive
        }
    }

    static NamingService connect(String server) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", server);
        if (System.getenv("NACOS_USERNAME") != null) {
            properties.setProperty("username", System.getenv("NACOS_USERNAME"));
            properties.setProperty("password", System.getenv("NACOS_PASSWORD"));
        }
        return NamingFactory.createNamingService(properties);
    }

    static void say(String... words) {
        System.out.println(String.join(" ", words));
    }

    /** The list as text: sorted `ip:port/version/weight`, or `-` when it is empty. */
    static String show(List<Instance> instances) {
        return join(instances.stream().map(i -> "%s:%d/%s/%.0f".formatted(
                i.getIp(), i.getPort(), i.getMetadata().get("version"), i.getWeight())));
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
        final String service;
        final String ip;
        final int port;
        int version = 1;

        Publisher(NamingService naming, String service, String address) {
            this.naming = naming;
            this.service = service;
            this.ip = address.split(":")[0];
            this.port = Integer.parseInt(address.split(":")[1]);
        }

        Instance instance(int port, String cluster, boolean healthy) {
            Instance instance = new Instance();
            instance.setIp(ip);
            instance.setPort(port);
            instance.setClusterName(cluster);
            instance.setHealthy(healthy);
            instance.setWeight(version);
            instance.setMetadata(Map.of("version", String.valueOf(version)));
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
                case "batch" -> naming.batchRegisterInstance(service, GROUP, List.of(first(), second()));
                case "unbatch" -> naming.batchDeregisterInstance(service, GROUP, List.of(second()));
                default -> throw new IllegalArgumentException("unknown command");
            }
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
