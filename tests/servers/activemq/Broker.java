import org.apache.activemq.broker.BrokerService;

/** An ActiveMQ Classic broker in memory, whose management beans Jolokia's agent shows: Broker NAME PORT. */
public class Broker {
    public static void main(String[] arguments) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setBrokerName(arguments[0]);
        broker.setPersistent(false);
        broker.setUseJmx(true);
        broker.getManagementContext().setCreateConnector(false);
        broker.addConnector("tcp://127.0.0.1:" + arguments[1]);
        broker.start();
        broker.waitUntilStopped();
    }
}
