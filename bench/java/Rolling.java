// Kafka Streams, one thread, in-memory store with changelog (the default), at least once (the default).
// kafka.apache.org/41/documentation/streams/developer-guide/processor-api.html: Processor, state stores.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

public class Rolling {
    static final int WINDOW = 50, HEAD = 5;  // base, total, squares, next, count, then the prices
    static final ObjectMapper JSON = new ObjectMapper();
    static final Set<String> SYMBOLS = new HashSet<>();

    public record Result(String symbol, long at, double price, double mean, double std) {}

    static class Windows implements Processor<String, byte[], String, byte[]> {
        final String shape;
        ProcessorContext<String, byte[]> context;
        KeyValueStore<String, byte[]> store;

        Windows(String shape) { this.shape = shape; }

        @Override public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            this.store = context.getStateStore("windows");
        }

        @Override public void process(Record<String, byte[]> record) {
            try {
                JsonNode message = JSON.readTree(record.value());
                Iterable<JsonNode> quotes = shape.equals("single") ? List.of(message) : message.get("quotes");
                Map<String, double[]> touched = new HashMap<>();
                List<Result> results = new ArrayList<>();
                for (JsonNode quote : quotes) {
                    if (!good(quote)) continue;
                    String symbol = quote.get("asset").textValue();
                    results.add(add(touched.computeIfAbsent(symbol, this::load), quote, symbol));
                }
                touched.forEach(this::keep);
                if (shape.equals("batch"))
                    context.forward(record.withValue(JSON.writeValueAsBytes(Map.of("results", results))));
                else for (Result each : results)
                    context.forward(record.withKey(each.symbol()).withValue(JSON.writeValueAsBytes(each)));
            } catch (java.io.IOException error) { throw new java.io.UncheckedIOException(error); }
        }

        double[] load(String symbol) {
            double[] window = new double[HEAD + WINDOW];
            byte[] kept = store.get(symbol);
            if (kept != null) ByteBuffer.wrap(kept).asDoubleBuffer().get(window);
            return window;
        }

        void keep(String symbol, double[] window) {
            ByteBuffer bytes = ByteBuffer.allocate(window.length * 8);
            bytes.asDoubleBuffer().put(window);
            store.put(symbol, bytes.array());
        }
    }

    static boolean good(JsonNode q) {
        JsonNode price = q.get("price"), asset = q.get("asset"), at = q.get("at"), received = q.get("received_at");
        JsonNode currency = q.get("currency");
        return price != null && price.isNumber() && price.doubleValue() > 0 && Double.isFinite(price.doubleValue())
            && at != null && at.isIntegralNumber() && received != null && received.isIntegralNumber()
            && currency != null && currency.isTextual() && asset != null && SYMBOLS.contains(asset.textValue());
    }

    static Result add(double[] w, JsonNode quote, String symbol) {
        double price = quote.get("price").doubleValue();
        if (w[4] == 0) w[0] = price;
        double moved = price - w[0];
        int place = HEAD + (int) w[3];
        if (w[4] < WINDOW) w[4]++;
        else { w[1] -= w[place]; w[2] -= w[place] * w[place]; }
        w[place] = moved;
        w[3] = (w[3] + 1) % WINDOW;
        w[1] += moved;
        w[2] += moved * moved;
        double mean = w[1] / w[4];
        double std = Math.sqrt(Math.max(w[2] / w[4] - mean * mean, 0));
        return new Result(symbol, quote.get("at").longValue(), price, w[0] + mean, std);
    }

    public static void main(String[] args) {
        for (int i = 0; i < 60; i++) SYMBOLS.add(String.format("S%02d", i));
        Properties p = new Properties();
        p.put("application.id", "streams-" + args[2]);
        p.put("bootstrap.servers", args[0]);
        p.put("auto.offset.reset", "earliest");
        p.put("num.stream.threads", 1);
        p.put("state.dir", args[4]);
        p.put("producer.linger.ms", 5);
        p.put("producer.compression.type", "lz4");
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(Stores.keyValueStoreBuilder(
            Stores.inMemoryKeyValueStore("windows"), Serdes.String(), Serdes.ByteArray()));
        builder.stream(args[1], Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .process(() -> new Windows(args[3]), "windows")
            .to(args[2], Produced.with(Serdes.String(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), p);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
