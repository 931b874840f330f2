import java.nio.file.Path;
import java.nio.file.Paths;
import org.apache.solr.embedded.JettyConfig;
import org.apache.solr.embedded.JettySolrRunner;

/** One node, for tests: home, HTTP port. */
public class TestSolr {
    public static void main(String[] args) throws Exception {
        Path home = Paths.get(args[0]);
        int port = Integer.parseInt(args[1]);
        JettyConfig config = JettyConfig.builder().setContext("/solr").setPort(port).build();
        new JettySolrRunner(home.toString(), config).start();
        Thread.currentThread().join();
    }
}
