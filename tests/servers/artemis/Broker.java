import java.util.concurrent.CountDownLatch;
import org.apache.activemq.artemis.core.config.Configuration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;

/** An Artemis broker in memory, whose management beans Jolokia's agent shows: Broker NAME PORT. */
public class Broker {
    public static void main(String[] arguments) throws Exception {
        Configuration settings = new ConfigurationImpl()
            .setName(arguments[0])
            .setPersistenceEnabled(false)
            .setSecurityEnabled(false)
            .setJMXManagementEnabled(true)
            .addAcceptorConfiguration("tcp", "tcp://127.0.0.1:" + arguments[1]);
        EmbeddedActiveMQ broker = new EmbeddedActiveMQ();
        broker.setConfiguration(settings);
        broker.start();
        new CountDownLatch(1).await();
    }
}
