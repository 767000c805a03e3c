// Asks a gateway through the JDBC driver for Flight SQL and prints what it gets, a fact a line.

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

public class JdbcClient {
  public static void main(String[] given) throws Exception {
    Properties login = new Properties();
    login.put("user", given[1]);
    login.put("password", given[2]);
    login.put("useEncryption", "false");
    String place = "jdbc:arrow-flight-sql://127.0.0.1:" + given[0] + "/";
    try (Connection connection = DriverManager.getConnection(place, login)) {
      try (Statement statement = connection.createStatement();
          ResultSet rows = statement.executeQuery("SELECT * FROM orders")) {
        while (rows.next()) System.out.println("row " + rows.getLong(1) + " " + rows.getString(2));
      }
      try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM orders WHERE id = ?")) {
        statement.setString(1, "it's");
        try (ResultSet rows = statement.executeQuery()) {
          System.out.println("prepared " + rows.next());
        }
      }
      DatabaseMetaData facts = connection.getMetaData();
      System.out.println("product " + facts.getDatabaseProductName() + " " + facts.isReadOnly());
      try (ResultSet rows = facts.getSchemas()) {
        while (rows.next()) System.out.println("schema " + rows.getString(1));
      }
      try (ResultSet rows = facts.getTables(null, null, "%", null)) {
        while (rows.next()) System.out.println("table " + rows.getString(2) + "." + rows.getString(3));
      }
      try (ResultSet rows = facts.getColumns(null, "gold", "orders", "%")) {
        while (rows.next()) System.out.println("column " + rows.getString(4) + " " + rows.getString(6));
      }
      for (java.lang.reflect.Method method : DatabaseMetaData.class.getMethods()) {
        if (method.getParameterCount() == 0 && method.getReturnType() != ResultSet.class) {
          try {
            method.invoke(facts);
          } catch (java.lang.reflect.InvocationTargetException error) {
            System.out.println("no fact " + method.getName());
          }
        }
      }
      try (Statement statement = connection.createStatement()) {
        statement.executeQuery("SELECT * FROM secret");
        System.out.println("not refused");
      } catch (SQLException error) {
        System.out.println("refused " + error.getMessage().contains("'secret' does not exist"));
      }
    }
  }
}
